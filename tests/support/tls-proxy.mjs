// The engine behind a socket, on a TLS port of loopback that only clients with a certificate of the authority reach.
//   fork("tls-proxy.mjs", [directory of ca.pem, server.pem and server-key.pem, socket])
// Sends { port } once it listens, and { client } with the name in its certificate for each client that gets in.
import fs from "node:fs";
import net from "node:net";
import tls from "node:tls";

const [, , directory, socket] = process.argv;
const pem = (name) => fs.readFileSync(`${directory}/${name}.pem`);
// The process ends with the test that started it, however that ends.
process.on("disconnect", () => process.exit());

const options = {
  ca: pem("ca"),
  cert: pem("server"),
  key: pem("server-key"),
  requestCert: true,
  rejectUnauthorized: true,
  // A client that has sent all its input still waits for the output of its container.
  allowHalfOpen: true,
};
const server = tls.createServer(options, (client) => {
  process.send({ client: client.getPeerCertificate().subject.CN });
  const engine = net.connect({ path: socket, allowHalfOpen: true });
  client.pipe(engine).pipe(client);
  client.on("error", () => engine.destroy());
  engine.on("error", () => client.destroy());
});
server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));
