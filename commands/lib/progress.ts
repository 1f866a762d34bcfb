import { bar, columnsOf, duration, truncate } from "./render";

/** How a long step reports its progress. */
export interface Progress {
  /** A line that stays on the screen: what is installed, what is skipped and why. */
  message(line: string): void;
  /** `done` of `total` in any unit, and what is being worked on. A `total` of 0 means that the total is unknown. */
  update(done: number, total: number, detail: string): void;
}

/** Shows nothing. */
export const silent: Progress = { message: () => undefined, update: () => undefined };

/** The part of a terminal or file stream that {@link Steps} needs. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface StepsOptions {
  /** @default stdout */
  output?: Output;
  /** Redraw one line in place. @default when the output is a terminal and this is no CI */
  interactive?: boolean;
  /** @default when interactive and NO_COLOR is not set */
  color?: boolean;
  /** Milliseconds since any fixed point. @default the monotonic clock */
  now?: () => number;
}

export interface StepTime {
  title: string;
  milliseconds: number;
}

/** Frames of the spinner, redrawn this often. */
const frames = [..."⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"];
const frameMilliseconds = 100;

/** Without a terminal, an update is printed when its share reaches another tenth or this much time has passed. */
const plainMilliseconds = 10_000;

/** Runs numbered steps and shows each with its progress, outcome and time. */
export class Steps {
  /** The time of every finished step, in order. */
  readonly times: StepTime[] = [];

  readonly #output: Output;
  readonly #interactive: boolean;
  readonly #color: boolean;
  readonly #now: () => number;

  constructor(options: StepsOptions = {}) {
    this.#output = options.output ?? process.stdout;
    this.#interactive = options.interactive ?? (this.#output.isTTY === true && !process.env.CI);
    this.#color = options.color ?? (this.#interactive && !process.env.NO_COLOR);
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * Runs one step. `describe` turns its value into the text after the title in the closing line.
   * A step that throws is shown as failed; the error is thrown again.
   */
  async run<T>(
    title: string,
    work: (progress: Progress) => Promise<T>,
    describe: (value: T) => string = () => "",
  ): Promise<T> {
    const number = this.times.length + 1;
    const start = this.#now();
    const step = this.#interactive ? this.#liveLine(number, title, start) : this.#plainLines(number, title, start);
    const finish = (mark: string, detail: string): void => {
      step.clear();
      const milliseconds = this.#now() - start;
      this.times.push({ title, milliseconds });
      const name = detail === "" ? title : `${title} ${detail}`;
      this.#print(`${number} ${mark} ${name} ${this.#dim(`… ${duration(milliseconds)}`)}`);
    };
    try {
      const value = await work(step);
      finish(this.#paint("32", "✔"), describe(value));
      return value;
    } catch (error) {
      finish(this.#paint("31", "✖"), "");
      throw error;
    }
  }

  /** One line redrawn in place below the messages that stay. */
  #liveLine(number: number, title: string, start: number): Progress & { clear(): void } {
    let state = "";
    let frame = 0;
    const erase = "\r\u001b[2K";
    const draw = (): void => {
      const text = `${number} ${frames[frame]} ${title} ${duration(this.#now() - start)}${state}`;
      this.#output.write(erase + truncate(text, columnsOf(this.#output, 80) - 1));
    };
    const timer = setInterval(() => {
      frame = (frame + 1) % frames.length;
      draw();
    }, frameMilliseconds);
    timer.unref();
    draw();
    return {
      message: (line) => {
        this.#output.write(`${erase}    ${line}\n`);
        draw();
      },
      update: (done, total, detail) => {
        const share = total > 0 ? `  ${bar(done / total)} ${percent(done, total)}` : "";
        state = `${share}  ${detail}`;
      },
      clear: () => {
        clearInterval(timer);
        this.#output.write(erase);
      },
    };
  }

  /** Lines for logs: the title once a line follows below it, and an update from time to time. */
  #plainLines(number: number, title: string, start: number): Progress & { clear(): void } {
    let titled = false;
    let shown = { tenth: 0, at: start };
    const below = (line: string): void => {
      if (!titled) {
        this.#print(`${number} … ${title}`);
        titled = true;
      }
      this.#print(`    ${line}`);
    };
    return {
      message: below,
      update: (done, total, detail) => {
        const tenth = total > 0 ? Math.floor((done * 10) / total) : shown.tenth;
        if (tenth === shown.tenth && this.#now() - shown.at < plainMilliseconds) {
          return;
        }
        shown = { tenth, at: this.#now() };
        below(total > 0 ? `${percent(done, total)}  ${detail}` : detail);
      },
      clear: () => undefined,
    };
  }

  #print(line: string): void {
    this.#output.write(`${line}\n`);
  }

  #dim(text: string): string {
    return this.#paint("2", text);
  }

  #paint(code: string, text: string): string {
    return this.#color ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

function percent(done: number, total: number): string {
  return `${String(Math.floor((Math.min(done, total) / total) * 100)).padStart(3)} %`;
}
