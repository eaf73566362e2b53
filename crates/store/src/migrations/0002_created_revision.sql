-- The revision that first put a resource; 0 for those put before this was kept.
ALTER TABLE resources ADD COLUMN created_revision BIGINT NOT NULL DEFAULT 0;
