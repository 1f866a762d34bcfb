// schema.ts is generated from the server's OpenAPI document. After a change of the server's API, run:
//   PYTHONPATH=applications/reference python3 -m archon_server.http.openapi > applications/reference/page/openapi.json
//   npm --prefix applications/reference/page run types
import type { components, paths } from "./schema";

type Schemas = components["schemas"];

export type Health = Schemas["Health"];
export type KnowledgeItem = Schemas["KnowledgeItem"];
export type MlHealth = Schemas["MlHealth"];
export type Model = Schemas["ModelInfo"];
export type ModelList = Schemas["ModelList"];
export type Progress = Schemas["Progress"];
export type SearchHit = Schemas["SearchHit"];
export type SearchReply = Schemas["SearchReply"];

export type Route = keyof paths;
export type Method = "get" | "post" | "put" | "delete";
/** A route's operation in the server's OpenAPI document; `never` if the route does not have the method. */
export type Operation<R extends Route, M extends Method> = NonNullable<paths[R][M]>;

/** What a request of an operation takes. */
export type Input<O> = RequiredProperty<"path", PathParameters<O>> &
  OptionalProperty<"query", QueryParameters<O>> &
  RequiredProperty<"body", JsonBody<O>>;
/** The JSON of an operation's successful response. */
export type Reply<O> = O extends { responses: infer Responses }
  ? JsonContent<Responses[keyof Responses & (200 | 202)]>
  : never;

type PathParameters<O> = O extends { parameters: { path: infer Parameters } } ? Parameters : never;
type QueryParameters<O> = O extends { parameters: { query?: infer Parameters } } ? Parameters : never;
type JsonBody<O> = O extends { requestBody: infer Body } ? JsonContent<Body> : never;
type JsonContent<T> = T extends { content: { "application/json": infer Json } } ? Json : never;

/** A property that is there unless its type is `never`. */
type RequiredProperty<Name extends string, Value> = [Value] extends [never] ? unknown : Record<Name, Value>;
type OptionalProperty<Name extends string, Value> = [Value] extends [never] ? unknown : Partial<Record<Name, Value>>;
