#!/usr/bin/env node
// A stand-in for OpenAI's embeddings: a text becomes the counts of its words, each at a place that its hash gives, at
// length 1. So two texts are the nearer the more words they share. Requests must carry a key that begins with "sk-".
//   embeddings.mjs <address> <port>
// Port 0 takes a free one. Prints the URL for OPENAI_BASE_URL once it answers.
import crypto from "node:crypto";
import http from "node:http";
import { text } from "node:stream/consumers";

/** Dimensions of text-embedding-3-small. */
const DIMENSIONS = 1536;

const [, , address, port] = process.argv;
// Where a test started this process, it ends with the test, however that ends.
process.on("disconnect", () => process.exit());

const server = http.createServer(async (request, response) => {
  const [status, body] = answer(request, await text(request));
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
});
server.listen(Number(port), address, () => console.log(`http://${address}:${server.address().port}/v1`));

function answer({ method, url, headers }, body) {
  if (method !== "POST" || url !== "/v1/embeddings") {
    return [404, { error: { message: `No route for ${method} ${url}` } }];
  }
  if (!/^Bearer sk-/.test(headers.authorization ?? "")) {
    return [401, { error: { message: "Incorrect API key provided", code: "invalid_api_key" } }];
  }
  const { input, model, encoding_format: format, dimensions = DIMENSIONS } = JSON.parse(body);
  const texts = [input].flat();
  const data = texts.map((text, index) => ({
    object: "embedding",
    index,
    embedding: encode(embed(text, dimensions), format),
  }));
  const tokens = texts.reduce((count, text) => count + words(text).length, 0);
  return [200, { object: "list", model, data, usage: { prompt_tokens: tokens, total_tokens: tokens } }];
}

function embed(text, dimensions) {
  const vector = new Float32Array(dimensions);
  for (const word of words(text)) {
    vector[crypto.createHash("sha256").update(word).digest().readUInt32LE(0) % dimensions] += 1;
  }
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}

function encode(vector, format) {
  return format === "base64" ? Buffer.from(vector.buffer).toString("base64") : [...vector];
}

function words(text) {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
