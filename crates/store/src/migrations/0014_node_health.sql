-- What an instance told last of the nodes that its health checks watch: a row for each service, route or upstream they stand in.
-- The path is that of `resources`; what is told of no resource there is never shown.
CREATE TABLE node_health (
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    path        TEXT NOT NULL,
    nodes       TEXT NOT NULL,
    PRIMARY KEY (instance_id, path)
);

ALTER TABLE instances ADD COLUMN nodes_told_at BIGINT;
ALTER TABLE instances ADD COLUMN nodes_left_out BIGINT NOT NULL DEFAULT 0;
