// The page has started.

root.dataset.ready = "";
