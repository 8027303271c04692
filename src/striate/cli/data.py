"""`striate data show|check|split|convert|fetch|scenes`: labeled pictures, before anything is trained on them.

Each verb has a file of its own and is imported when it is used.
"""

from cyclopts import App, Group

__all__ = ["app"]

app = App(name="data", help="Look at, check, split, convert and fetch labeled pictures.", group_commands=Group("Verbs"))
app.command("striate.cli.data_show:show", name="show", help="Draw what a network will see, after augmentation.")
app.command("striate.cli.data_check:check", name="check", help="Read every picture once, and say what is wrong where.")
app.command("striate.cli.data_split:split", name="split", help="Divide pictures into train, val and test, as a table.")
app.command("striate.cli.data_convert:convert", name="convert", help="Write pictures in another layout.")
app.command("striate.cli.data_fetch:fetch", name="fetch", help="Fetch MNIST or Fashion-MNIST, verified.")
app.command("striate.cli.data_scenes:scenes", name="scenes", help="Make scenes with exact boxes, for detection.")
