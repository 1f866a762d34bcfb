import { BAKED, STORED } from "../bench/store";
import { bytes } from "../lib/render";
import { sum, type Report } from "./report";

/** Two values of one quantity: what it takes without sharing, and what it takes. */
interface Comparison {
  title: string;
  bars: readonly { label: string; value: number; shown: string }[];
}

const WIDTH = 720;
const LABEL_WIDTH = 190;
const VALUE_WIDTH = 90;
const BAR_HEIGHT = 18;
const ROW_HEIGHT = 24;
const TITLE_HEIGHT = 26;
const MARGIN = 16;

/**
 * The report as an SVG image for a page: pairs of bars, each pair to its own scale. It follows the colours that the reader
 * prefers, and its text can be read aloud.
 */
export function svgReport(report: Report): string {
  const comparisons = compare(report);
  let y = MARGIN;
  const parts: string[] = [];
  for (const { title, bars } of comparisons) {
    parts.push(`<text class="title" x="${MARGIN}" y="${y + 14}">${escape(title)}</text>`);
    y += TITLE_HEIGHT;
    const largest = Math.max(...bars.map(({ value }) => value));
    for (const [index, { label, value, shown }] of bars.entries()) {
      const space = WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH;
      const length = Math.max((value / largest) * space, 1).toFixed(1);
      const x = MARGIN + LABEL_WIDTH;
      parts.push(
        `<text x="${MARGIN}" y="${y + 13}">${escape(label)}</text>`,
        `<rect class="bar${index}" x="${x}" y="${y}" width="${length}" height="${BAR_HEIGHT}" rx="2"/>`,
        `<text x="${(x + Number(length) + 6).toFixed(1)}" y="${y + 13}">${escape(shown)}</text>`,
      );
      y += ROW_HEIGHT;
    }
    y += MARGIN / 2;
  }
  const name = `Stack ${report.stack}, release ${report.release}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + MARGIN / 2}" role="img" aria-labelledby="name">`,
    `<title id="name">${escape(name)}</title>`,
    "<style>",
    "text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600 }",
    ".bar0 { fill: #9aa4b0 } .bar1 { fill: #1a7f5a }",
    "@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .bar0 { fill: #6e7681 } .bar1 { fill: #3fb68b } }",
    "</style>",
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function compare({ savings, sharing, memory }: Report): Comparison[] {
  const measured = (savings?.rows ?? []).flatMap(({ what, unit, values: { [BAKED]: baked, [STORED]: stored } }) =>
    baked === undefined || stored === undefined
      ? []
      : [pair(`${what} (${unit})`, [BAKED, baked], [STORED, stored], (value) => String(Number(value.toPrecision(3))))],
  );
  return [
    ...measured,
    pair(
      "disk of all releases",
      ["each by itself", sum(sharing.trees, (each) => each.bytes)],
      ["hard links once", sharing.together],
      bytes,
    ),
    pair(
      "memory of the servers",
      ["each by itself", sum(memory.servers, ({ rss }) => rss)],
      ["shared pages divided", sum(memory.servers, ({ pss }) => pss)],
      bytes,
    ),
  ];
}

function pair(
  title: string,
  ...[before, now, show]: [[string, number], [string, number], (value: number) => string]
): Comparison {
  const bars = [before, now].map(([label, value]) => ({ label, value, shown: show(value) }));
  return { title, bars };
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
