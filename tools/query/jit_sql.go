package query

import "strings"

const (
	// rolePrefix begins the name of every role that a gateway makes. The functions on the server touch no other.
	rolePrefix = "sallyport_s_"
	// jitOwner owns the functions. It cannot log in.
	jitOwner = "sallyport_jit"
)

// SetupSQL is what an administrator of the database runs once, as superuser, before mode: jit: the functions by which the broker makes and
// ends the roles of sessions, the broker, and the profile without any rights. The broker itself gets no right but to call them, also on servers
// up to 15, where CREATEROLE would let it change every role that is not a superuser. Running it again changes nothing. PostgreSQL 14
// or newer.
func SetupSQL(broker, profile string) string {
	return strings.NewReplacer("{broker}", quoteIdent(broker), "{profile}", quoteIdent(profile), "{'broker'}", quoteText(broker), "{'profile'}", quoteText(profile),
		"{prefix}", rolePrefix, "{owner}", jitOwner).Replace(setupSQL)
}

func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

const setupSQL = `BEGIN;
SET LOCAL standard_conforming_strings = on;
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {'profile'}) THEN CREATE ROLE {profile} NOLOGIN; END IF;
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {'broker'}) THEN CREATE ROLE {broker} LOGIN; END IF;
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{owner}') THEN CREATE ROLE {owner} NOLOGIN CREATEROLE; END IF;
END $$;
-- The profiles that sessions may be put into are those the owner of the functions may grant.
GRANT {profile} TO {owner} WITH ADMIN OPTION;
GRANT pg_signal_backend TO {owner};
CREATE SCHEMA IF NOT EXISTS sallyport AUTHORIZATION {owner};
REVOKE ALL ON SCHEMA sallyport FROM PUBLIC;
GRANT USAGE ON SCHEMA sallyport TO {broker};

-- Nothing below touches a role whose name is not one of a session.
CREATE OR REPLACE FUNCTION sallyport.check_name(role text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF role IS NULL OR role !~ '^{prefix}[a-z0-9_]{4,40}$' THEN RAISE EXCEPTION 'not the role of a session' USING ERRCODE = '42501'; END IF;
END $$;

CREATE OR REPLACE FUNCTION sallyport.issue(role text, verifier text, until timestamptz, connections int, profile text, note text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM sallyport.check_name(role);
	IF verifier IS NULL OR verifier !~ '^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' THEN
		RAISE EXCEPTION 'not a SCRAM verifier' USING ERRCODE = '22023';
	END IF;
	IF until IS NULL OR until > now() + interval '1 day' OR connections IS NULL OR connections NOT BETWEEN 1 AND 100 THEN
		RAISE EXCEPTION 'too long, or too many connections' USING ERRCODE = '22023';
	END IF;
	IF profile IS NULL OR NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.member = '{owner}'::regrole AND m.admin_option
			AND m.roleid = (SELECT oid FROM pg_roles WHERE rolname = profile)) OR starts_with(profile, '{prefix}') THEN
		RAISE EXCEPTION 'not a profile of sessions' USING ERRCODE = '42501';
	END IF;
	EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT CONNECTION LIMIT %s PASSWORD %L VALID UNTIL %L IN ROLE %I',
		role, connections, verifier, until, profile);
	EXECUTE format('COMMENT ON ROLE %I IS %L', role, note);
END $$;

CREATE OR REPLACE FUNCTION sallyport.extend(role text, until timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM sallyport.check_name(role);
	IF until IS NULL OR until > now() + interval '1 day' THEN RAISE EXCEPTION 'too long' USING ERRCODE = '22023'; END IF;
	EXECUTE format('ALTER ROLE %I VALID UNTIL %L', role, until);
END $$;

-- No new login. The sessions that are open go on until they are terminated.
CREATE OR REPLACE FUNCTION sallyport.disable(role text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM sallyport.check_name(role);
	IF EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
		EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL VALID UNTIL %L', role, '-infinity');
	END IF;
END $$;

-- How many sessions of the role were still there; each was told to end.
CREATE OR REPLACE FUNCTION sallyport.terminate(role text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE n bigint;
BEGIN
	PERFORM sallyport.check_name(role);
	SELECT count(pg_terminate_backend(a.pid)) INTO n FROM pg_stat_activity a WHERE a.usesysid = (SELECT oid FROM pg_roles WHERE rolname = role);
	RETURN n;
END $$;

-- False when the role owns something and therefore stays, without login.
CREATE OR REPLACE FUNCTION sallyport.remove(role text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM sallyport.check_name(role);
	EXECUTE format('DROP ROLE IF EXISTS %I', role);
	RETURN true;
EXCEPTION WHEN dependent_objects_still_exist THEN
	RETURN false;
END $$;

ALTER FUNCTION sallyport.check_name(text) OWNER TO {owner};
ALTER FUNCTION sallyport.issue(text, text, timestamptz, int, text, text) OWNER TO {owner};
ALTER FUNCTION sallyport.extend(text, timestamptz) OWNER TO {owner};
ALTER FUNCTION sallyport.disable(text) OWNER TO {owner};
ALTER FUNCTION sallyport.terminate(text) OWNER TO {owner};
ALTER FUNCTION sallyport.remove(text) OWNER TO {owner};
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA sallyport FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA sallyport TO {broker};
COMMIT;
`
