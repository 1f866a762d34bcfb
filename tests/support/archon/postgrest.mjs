#!/usr/bin/env node
// A stand-in for Supabase: PostgREST's interface over PGlite, which is Postgres in this process, with pgvector.
//   postgrest.mjs <address> <port> <key> <file.sql>…
// The files fill the empty database. Requests must carry the key. Port 0 takes a free one. Prints the URL once it
// answers; the data is gone when it ends. It reads what supabase-py sends for tables and functions: no embedded
// resources, no full-text operators, one schema.
import { readFileSync } from "node:fs";
import http from "node:http";
import { text } from "node:stream/consumers";
import { PGlite } from "@electric-sql/pglite";
import { pg_trgm } from "@electric-sql/pglite/contrib/pg_trgm";
import { pgcrypto } from "@electric-sql/pglite/contrib/pgcrypto";
import { vector } from "@electric-sql/pglite-pgvector";

/** What Supabase has before anybody's tables. */
const SUPABASE = `
  create role anon nologin;
  create role authenticated nologin;
  create role service_role nologin bypassrls;
  create schema auth;
  create function auth.role() returns text language sql stable as $$ select 'service_role'::text $$;
`;
const OPERATORS = { eq: "=", neq: "<>", gt: ">", gte: ">=", lt: "<", lte: "<=", cs: "@>", cd: "<@" };
/** Parameters of a query that are no filters. */
const RESERVED = new Set(["select", "order", "limit", "offset", "on_conflict", "columns"]);
const STATUS_OF = { "42P01": 404, 23503: 409, 23505: 409 };

class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const [, , address, port, key, ...files] = process.argv;
const database = await PGlite.create({ extensions: { pg_trgm, pgcrypto, vector } });
await database.exec(SUPABASE);
for (const file of files) {
  await database.exec(readFileSync(file, "utf8"));
}

// Where a test started this process, it ends with the test, however that ends.
process.on("disconnect", () => process.exit());

const server = http.createServer((request, response) => {
  answer(request)
    .catch((error) => ({
      status: error.status ?? STATUS_OF[error.code] ?? 400,
      body: JSON.stringify({ code: error.code ?? "XX000", message: error.message, details: null, hint: null }),
    }))
    .then(({ status, body = "", headers = {} }) => {
      response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
      response.end(request.method === "HEAD" ? undefined : body);
    });
});
server.listen(Number(port), address, () => console.log(`http://${address}:${server.address().port}`));

async function answer(request) {
  const { pathname, searchParams } = new URL(request.url, "http://localhost");
  const [, , , resource = "", name = ""] = /^(\/rest\/v1)?(\/(rpc|[^/]+)(?:\/([^/]+))?)$/.exec(pathname) ?? [];
  if (request.headers.authorization !== `Bearer ${key}`) {
    throw new Refused(401, "PGRST301", "JWSError JWSInvalidSignature");
  }
  const body = await text(request);
  if (resource === "rpc") {
    return call(name, JSON.parse(body || "{}"));
  }
  const prefer = request.headers.prefer ?? "";
  const single = (request.headers.accept ?? "").includes("vnd.pgrst.object");
  switch (request.method) {
    case "GET":
    case "HEAD":
      return select(resource, searchParams, { exact: prefer.includes("count=exact"), single });
    case "POST":
      return write(await insertion(resource, searchParams, body, prefer), 201, prefer, single);
    case "PATCH":
      return write(updating(resource, searchParams, body), 200, prefer, single);
    case "DELETE":
      return write({ sql: `delete from ${identifier(resource)}${where(searchParams)}` }, 200, prefer, single);
    default:
      throw new Refused(405, "PGRST117", `Unsupported HTTP method: ${request.method}`);
  }
}

async function call(name, given) {
  const { rows } = await database.query(
    `select unnest(proargnames[1:pronargs]) as name, format_type(unnest(proargtypes), null) as type
     from pg_proc where proname = $1 and pronamespace = 'public'::regnamespace`,
    [name],
  );
  if (rows.length === 0) {
    throw new Refused(404, "PGRST202", `Could not find the function public.${name} in the schema cache`);
  }
  const args = rows
    .filter((each) => each.name in given)
    .map((each) => `${identifier(each.name)} => ($1::json ->> ${literal(each.name)})::${each.type}`);
  const { body } = await json(`select * from ${identifier(name)}(${args.join(", ")})`, [JSON.stringify(given)]);
  return { status: 200, body };
}

async function select(table, parameters, { exact, single }) {
  const from = `from ${identifier(table)}${where(parameters)}`;
  const offset = Number(parameters.get("offset") ?? 0);
  const { body, count } = await json(
    `select ${columns(parameters.get("select"))} ${from}${order(parameters.get("order"))}` +
      `${parameters.has("limit") ? ` limit ${Number(parameters.get("limit"))}` : ""} offset ${offset}`,
  );
  const total = exact ? (await database.query(`select count(*)::int as total ${from}`)).rows[0].total : "*";
  const range = count === 0 ? "*" : `${offset}-${offset + count - 1}`;
  return { status: 200, body: single ? only(body, count) : body, headers: { "content-range": `${range}/${total}` } };
}

/** Runs a statement that changes rows. @param status when the client wants to see the rows; otherwise it gets none */
async function write({ sql, parameters = [] }, status, prefer, single) {
  const { body, count } = await json(`${sql} returning *`, parameters);
  if (!prefer.includes("return=representation")) {
    return { status: status === 201 ? 201 : 204 };
  }
  return { status, body: single ? only(body, count) : body };
}

async function insertion(table, parameters, body, prefer) {
  const given = [JSON.parse(body)].flat();
  const names = [...new Set(given.flatMap(Object.keys))];
  const list = names.map(identifier).join(", ");
  const sql =
    `insert into ${identifier(table)} (${list}) ` +
    `select ${list} from json_populate_recordset(null::${identifier(table)}, $1::json)`;
  return { sql: sql + (await onConflict(table, parameters, prefer, names)), parameters: [JSON.stringify(given)] };
}

async function onConflict(table, parameters, prefer, names) {
  if (!prefer.includes("resolution=")) {
    return "";
  }
  const target = parameters.get("on_conflict")?.split(",") ?? (await primaryKey(table));
  const action = prefer.includes("resolution=merge-duplicates")
    ? `update set ${names.map((name) => `${identifier(name)} = excluded.${identifier(name)}`).join(", ")}`
    : "nothing";
  return ` on conflict (${target.map(identifier).join(", ")}) do ${action}`;
}

async function primaryKey(table) {
  const { rows } = await database.query(
    `select attname from pg_index join pg_attribute on attrelid = indrelid and attnum = any(indkey)
     where indisprimary and indrelid = $1::regclass`,
    [identifier(table)],
  );
  return rows.map(({ attname }) => attname);
}

function updating(table, parameters, body) {
  const assignments = Object.keys(JSON.parse(body)).map(
    (name) =>
      `${identifier(name)} = (select ${identifier(name)} from json_populate_record(null::${identifier(table)}, $1::json))`,
  );
  return {
    sql: `update ${identifier(table)} set ${assignments.join(", ")}${where(parameters)}`,
    parameters: [body],
  };
}

/** The rows of a statement as JSON text, so that no number passes through JavaScript. */
async function json(statement, parameters = []) {
  const { rows } = await database.query(
    `with row as (${statement}) select coalesce(json_agg(row), '[]')::text as body, count(*)::int as count from row`,
    parameters,
  );
  return rows[0];
}

function only(body, count) {
  if (count !== 1) {
    throw new Refused(406, "PGRST116", "JSON object requested, multiple (or no) rows returned");
  }
  return JSON.stringify(JSON.parse(body)[0]);
}

function where(parameters) {
  const filters = [...parameters].filter(([name]) => !RESERVED.has(name));
  const conditions = filters.map(([name, value]) =>
    name === "or" || name === "and" ? group(name, value) : condition(name, value),
  );
  return conditions.length === 0 ? "" : ` where ${conditions.join(" and ")}`;
}

/** `or=(a.eq.1,b.is.null)` */
function group(operator, value) {
  const parts = separated(value.slice(1, -1)).map((part) => {
    const [, name, rest] = /^([^.]+)\.(.*)$/s.exec(part);
    return condition(name, rest);
  });
  return `(${parts.join(` ${operator} `)})`;
}

/** `<column>=<operator>.<value>` */
function condition(name, expression) {
  const [, not, operator, value] = /^(not\.)?([a-z]+)\.(.*)$/s.exec(expression) ?? [];
  return `${not === undefined ? "" : "not "}(${comparison(column(name), operator, value)})`;
}

function comparison(subject, operator, value) {
  switch (operator) {
    case "is":
      if (!["null", "true", "false"].includes(value)) {
        break;
      }
      return `${subject} is ${value}`;
    case "in":
      return `${subject}::text in (${separated(value.slice(1, -1)).map(literal).join(", ")})`;
    case "like":
    case "ilike":
      return `${subject}::text ${operator} ${literal(value.replaceAll("*", "%"))}`;
    default:
      if (operator in OPERATORS) {
        return `${subject} ${OPERATORS[operator]} ${literal(value)}`;
      }
  }
  throw new Refused(400, "PGRST100", `failed to parse filter (${operator}.${value})`);
}

/** Items of a list; an item in double quotes may contain a comma. */
function separated(list) {
  return [...list.matchAll(/"((?:[^"\\]|\\.)*)"|[^,]+/g)].map(
    ([item, quoted]) => quoted?.replaceAll(/\\(.)/g, "$1") ?? item,
  );
}

function columns(list) {
  const selected = (list ?? "*").split(",").map((each) => {
    if (each === "*") {
      return each;
    }
    return `${column(each)} as ${identifier(each.split(/->>?/).at(-1))}`;
  });
  return selected.join(", ");
}

function order(list) {
  const terms = (list ?? "").split(",").filter((each) => each !== "");
  const sorted = terms.map((term) => {
    const [name, direction] = term.split(".");
    return `${column(name)} ${direction === "desc" ? "desc" : "asc"}`;
  });
  return sorted.length === 0 ? "" : ` order by ${sorted.join(", ")}`;
}

/** `metadata->>tag` is a path into a JSON column. */
function column(path) {
  const [name, ...steps] = path.split(/(->>?)/);
  return identifier(name) + steps.map((step) => (step.startsWith("->") ? step : literal(step))).join("");
}

function identifier(name) {
  return `"${name.replaceAll('"', '""')}"`;
}

function literal(value) {
  return `'${value.replaceAll("'", "''")}'`;
}
