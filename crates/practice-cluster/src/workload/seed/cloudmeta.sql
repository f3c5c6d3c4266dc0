-- These tables are the practice cluster's own: SynxDB's are not public.
CREATE TABLE organizations (id int PRIMARY KEY, name text NOT NULL UNIQUE, created_at timestamptz NOT NULL);
CREATE TABLE accounts (id uuid PRIMARY KEY, organization_id int NOT NULL REFERENCES organizations,
    name text NOT NULL UNIQUE, namespace text NOT NULL UNIQUE, status text NOT NULL);
CREATE TABLE warehouses (id serial PRIMARY KEY, account_id uuid NOT NULL REFERENCES accounts,
    name text NOT NULL, nodes int NOT NULL, status text NOT NULL, UNIQUE (account_id, name));
CREATE TABLE users (id serial PRIMARY KEY, account_id uuid REFERENCES accounts,
    name text NOT NULL, role text NOT NULL);
INSERT INTO organizations VALUES (1, 'synxdb-practice', '2025-01-15 08:00:00+00');
INSERT INTO accounts VALUES ('513d75d5-3033-4649-b913-07f6115ec41a', 1, 'cloud007',
    'cloud007-513d75d5-3033-4649-b913-07f6115ec41a', 'active');
INSERT INTO warehouses (account_id, name, nodes, status) VALUES
    ('513d75d5-3033-4649-b913-07f6115ec41a', 'wh9527', 2, 'running');
INSERT INTO users (account_id, name, role) VALUES
    (NULL, 'gpadmin', 'administrator'),
    ('513d75d5-3033-4649-b913-07f6115ec41a', 'gpadmin', 'administrator'),
    ('513d75d5-3033-4649-b913-07f6115ec41a', 'alice', 'analyst');
ANALYZE;
