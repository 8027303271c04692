"""`striate study new|label|status|import|export|report`: people label the pictures that networks label.

Each verb has a file of its own and is imported when it is used.
"""

from cyclopts import App, Group

__all__ = ["app"]

app = App(name="study", help="Let people label the pictures that networks label.", group_commands=Group("Verbs"))
app.command("striate.cli.study_new:new", name="new", help="Choose pictures, change them, and ask the networks.")
app.command("striate.cli.study_label:label", name="label", help="Open the page on which a person labels the pictures.")
app.command("striate.cli.study_status:status", name="status", help="Say who took part and how far everybody is.")
app.command("striate.cli.study_table:import_", name="import", help="Read answers from a CSV file.")
app.command("striate.cli.study_table:export", name="export", help="Write all answers as a CSV file.")
app.command(
    "striate.cli.study_report:report", name="report", help="Compare people and networks: errors, agreement, times."
)
