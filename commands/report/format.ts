import { archon } from "../../lib/command-line";
import { BAKED, STORED } from "../bench/store";
import { machineLine } from "../bench/machine";
import { bytes, duration, table, truncate } from "../lib/render";
import { sum, type Report } from "./report";

/** One table of the report. The first row is its header. */
interface Section {
  title: string;
  rows: readonly (readonly string[])[];
  /** What else to know about it, as sentences. @default nothing */
  notes?: readonly string[];
}

const instructionColumns = 60;

/** Layers that add nothing but metadata are left out. */
const smallestLayer = 100_000;

/** The report for a terminal. */
export function describeReport(report: Report): string[] {
  return sections(report).flatMap(({ title, rows, notes = [] }) => [
    title,
    ...table(rows).map((line) => `  ${line}`),
    ...notes.map((note) => `  ${note}`),
    "",
  ]);
}

/** The report as Markdown. */
export function markdownReport(report: Report): string[] {
  return sections(report).flatMap(({ title, rows: [header = [], ...rows], notes = [] }) => [
    `### ${title}`,
    "",
    line(header),
    line(header.map(() => "---")),
    ...rows.map(line),
    "",
    ...notes.flatMap((note) => [note, ""]),
  ]);
}

function line(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function sections(report: Report): Section[] {
  return [
    keyFigures(report),
    composition(report),
    engine(report),
    times(report),
    savings(report),
    sharing(report),
    memory(report),
  ];
}

/** The applications whose image the plan of this project was about. */
const PLANNED_APPLICATIONS = ["reference", "archon"];

/** The figures that this project was made for. What was before and what was aimed at are those of the plan. */
function keyFigures({ stack, release, application, image, engine, times }: Report): Section {
  const slowest = (verb: string): string => {
    const found = times.filter(({ what }) => what.startsWith(verb)).map(({ seconds }) => seconds);
    return found.length === 0 ? "–" : duration(Math.max(...found) * 1000);
  };
  const rows: [figure: string, before: string, target: string, now: string][] = [
    ["figure", "before", "target", "now"],
    ["image of the server", "25.4 GB", "2 GB", bytes(image.bytes)],
    ["all of Docker", "136 GB", "20 GB", bytes(sum(engine, (each) => each.bytes))],
    ["build", "12 min", "3 min", slowest("build")],
    ["models, first run", "8 min a build", "2 min", slowest("fetch")],
    ["environment, first run", "with every build", "–", slowest("populate")],
  ];
  return {
    title: `Stack ${stack}, release ${release}`,
    rows: PLANNED_APPLICATIONS.includes(application) ? rows : rows.map(([figure, , , now]) => [figure, now]),
  };
}

function composition({ image, roles, environment, models }: Report): Section {
  return {
    title: "What it consists of",
    rows: [
      ["part", "name", "size"],
      ["image", image.reference, bytes(image.bytes)],
      ...image.layers
        .filter((layer) => layer.bytes >= smallestLayer)
        .map((layer) => ["layer", truncate(layer.instruction, instructionColumns), bytes(layer.bytes)]),
      ...roles.map(({ role, reference, bytes: size }) => [`image of ${role}`, reference, bytes(size)]),
      ["environment", environment.key, bytes(environment.bytes)],
      ...models.map(({ snapshot, bytes: size }) => ["model", snapshot, bytes(size)]),
    ],
  };
}

function engine({ engine: uses }: Report): Section {
  return {
    title: "What the engine keeps, for everything on it",
    rows: [
      ["kind", "count", "size"],
      ...uses.map(({ kind, count, bytes: size }) => [kind, String(count), bytes(size)]),
    ],
  };
}

function times({ times: durations }: Report): Section {
  return {
    title: "How long it took when it was last done",
    rows: [
      ["what", "time", "when"],
      ...durations.map(({ what, seconds, ended }) => [
        what,
        duration(seconds * 1000),
        ended?.replace(/\.\d+Z$/, "Z") ?? "–",
      ]),
    ],
    notes: ["What already existed takes no time: an image that the engine had, a model that the store had."],
  };
}

function savings({ savings: result }: Report): Section {
  const title = "Against packages baked into the image";
  if (result === null) {
    return {
      title,
      rows: [["", BAKED, STORED]],
      notes: [`Not measured on this machine yet. \`${archon("bench store")}\` does it in 8 minutes.`],
    };
  }
  const shown = (value: number | undefined, unit: string): string =>
    value === undefined ? "–" : `${Number(value.toPrecision(3))} ${unit}`;
  return {
    title,
    rows: [
      ["", BAKED, STORED, "saved"],
      ...result.rows.map(({ what, unit, values: { [BAKED]: baked, [STORED]: stored } }) => [
        what,
        shown(baked, unit),
        shown(stored, unit),
        baked === undefined || stored === undefined ? "–" : `${Math.round((1 - stored / baked) * 100)} %`,
      ]),
    ],
    notes: [`Measured ${result.measured} on ${machineLine(result.machine)}`],
  };
}

function sharing({ sharing: { trees, together } }: Report): Section {
  const separate = sum(trees, (tree) => tree.bytes);
  return {
    title: "What the releases share on the disk",
    rows: [
      ["environment or model", "on the disk"],
      ...trees.map(({ name, bytes: size }) => [name, bytes(size)]),
      ["each by itself", bytes(separate)],
      ["together, hard links once", bytes(together)],
    ],
  };
}

function memory({ memory: { servers } }: Report): Section {
  const rss = sum(servers, (each) => each.rss);
  const pss = sum(servers, (each) => each.pss);
  return {
    title: "Memory of the servers",
    rows: [
      ["server", "by itself (RSS)", "shared pages divided (PSS)"],
      ...servers.map((each) => [each.name, bytes(each.rss), bytes(each.pss)]),
      ["all", bytes(rss), bytes(pss)],
    ],
    notes: [`The processes share ${bytes(Math.max(rss - pss, 0))}, with each other or with others of the host.`],
  };
}
