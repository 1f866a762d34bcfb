import * as fs from "node:fs";
import * as path from "node:path";
import type { Settings } from "../config/load";
import type { Problem } from "../config/problems";
import type { TlsFiles } from "../config/schema";
import { IMAGES } from "../lib/images";
import { askEngine, reasonOf } from "./engine";
import {
  judgeFiles,
  missingDirectory,
  tlsCheckCommand,
  tlsCheckSchema,
  TLS_PROGRAM,
  type TlsProblem,
} from "./service/certificate";

/** Seconds that a container gets to look at the files; on another machine it needs some of them to start. */
const CHECK_SECONDS = 30;

/**
 * What is wrong with the certificates and keys of a stack's services, as its gateways see them on the Docker host. Nothing,
 * while the engine has no image to look with: before the first update of an engine that the set-up did not prepare, the
 * gateway itself then reports it. A rollback is no time to renew a certificate: one that has expired does not hold it up.
 *
 * @param images references of the engine's images; undefined when it does not list them
 */
export function tlsProblems(
  { services, dockerHost, baseImage, project, release }: Settings,
  images: ReadonlySet<string> | undefined,
): Problem[] {
  const now = release === "" ? new Date() : undefined;
  const image = imageWithPython(images, baseImage);
  return image === undefined
    ? []
    : services.flatMap(({ tls }, index) =>
        tls === undefined
          ? []
          : look(tls, { dockerHost, project, image, now }).map(({ file, reason }) => ({
              path: ["services", index, "tls", file],
              received: tls[file],
              reason,
            })),
      );
}

function look(
  tls: TlsFiles,
  { dockerHost, project, image, now }: { dockerHost: string; project: string; image: string; now: Date | undefined },
): TlsProblem[] {
  const program = fs.readFileSync(path.join(project, TLS_PROGRAM), "utf8");
  try {
    const printed = askEngine(dockerHost, tlsCheckCommand(tls, image, program), CHECK_SECONDS);
    return judgeFiles(tls, tlsCheckSchema.parse(JSON.parse(printed)), now);
  } catch (error) {
    const problem = reasonOf(error, CHECK_SECONDS);
    const missing = missingDirectory(tls, problem);
    const reason = `the engine could not look at it: ${problem}; run the update again`;
    return missing.length > 0 ? missing : [{ file: "certificate", reason }];
  }
}

/** An image of the engine with Python: one of this project, else what they are built from. */
function imageWithPython(images: ReadonlySet<string> | undefined, baseImage: string): string | undefined {
  const own = [IMAGES.gateway, IMAGES.bootstrap].map(({ repository }) => `${repository}:`);
  // The engine lists an image by its tag or by its digest, not by both.
  const base = [baseImage, baseImage.replace(/:[^/:@]*@/, "@")];
  return (
    [...(images ?? [])].find((each) => own.some((prefix) => each.startsWith(prefix))) ??
    base.find((each) => images?.has(each))
  );
}
