-- A label's value may have 64 KiB, and PostgreSQL takes no more than 2.7 KB into an index.
DROP INDEX group_labels_by_value;
CREATE INDEX group_labels_by_label ON group_labels (label);
DROP INDEX resource_labels_by_value;
CREATE INDEX resource_labels_by_label ON resource_labels (group_id, label);
DROP INDEX iam_labels_by_value;
CREATE INDEX iam_labels_by_label ON iam_labels (kind, label);
