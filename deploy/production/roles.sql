-- Accounts of the warehouse. Run once, as a superuser, in the warehouse's database:
--
--   psql --dbname warehouse --file deploy/production/roles.sql
--
-- cs_owner   owns the tables; only `cs migrate` uses it (WAREHOUSE_OWNER_URL)
-- cs_app     reads and writes rows, makes and drops nothing (WAREHOUSE_URL)
-- cs_viewer  reads (dashboards, notebooks)
--
-- The accounts get no password here: set one with \password, or use certificates.

DO $$
DECLARE
    account text;
BEGIN
    FOREACH account IN ARRAY ARRAY['cs_owner', 'cs_app', 'cs_viewer'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = account) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', account);
        END IF;
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT ON DATABASE %I TO cs_owner, cs_app, cs_viewer', current_database()
    );
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO cs_owner;
GRANT USAGE ON SCHEMA public TO cs_app, cs_viewer;

-- tables that are there, and all that cs_owner will make
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO cs_app;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO cs_viewer;
ALTER DEFAULT PRIVILEGES FOR ROLE cs_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO cs_app;
ALTER DEFAULT PRIVILEGES FOR ROLE cs_owner IN SCHEMA public
    GRANT SELECT ON TABLES TO cs_viewer;
