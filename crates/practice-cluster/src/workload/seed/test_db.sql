-- From SynxDB's "Cluster Failover" page, word for word but for the database.
CREATE TABLE projects (
    project_id SERIAL PRIMARY KEY,
    project_name TEXT,
    project_manager TEXT,
    department TEXT
) USING heap;
INSERT INTO projects (project_name, project_manager, department) VALUES
('Project Alpha', 'Alice', 'Engineering'),
('Project Beta', 'Bob', 'HR'),
('Project Gamma', 'Charlie', 'Sales');
ANALYZE;
