#!/usr/bin/env node
// Picks the answers of one model out of what a server printed, which comes on standard input: JSON of the form
// `{ "models": [{ "repo", "revision", "proof" }] }`. Prints nothing for a model that the server does not serve.
//   $1  repo@commit
import { readFileSync } from "node:fs";

const [, , snapshot] = process.argv;
const { models } = JSON.parse(readFileSync(0, "utf8"));
const model = models.find(({ repo, revision }) => `${repo}@${revision}` === snapshot);
if (model !== undefined) {
  console.log(JSON.stringify(model.proof));
}
