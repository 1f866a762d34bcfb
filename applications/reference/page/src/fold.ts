/** The form in which the server compares words (`storage/text.py`), and where each of its characters comes from. */

export interface Folded {
  text: string;
  /** For each UTF-16 unit of `text`, where the character that it comes from starts and ends. */
  starts: readonly number[];
  ends: readonly number[];
}

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** What nobody sees or types: soft hyphens, zero widths, direction marks, variation selectors, fillers. */
const INVISIBLE = /[\p{Cf}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0]/gu;

/** Accents, and the vowel signs of Arabic, Hebrew and Syriac, which writers leave out. */
const ACCENTS =
  /([иу]\u0306|і\u0308)|[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u08d3-\u08e1\u08e3-\u08ff\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0711\u0730-\u074a]/gu;

/** Letters that keyboards or languages exchange. */
const SAME_LETTERS: Readonly<Record<string, string>> = {
  ...{ ı: "i", ł: "l", ø: "o", đ: "d", ħ: "h", ŧ: "t", æ: "ae", œ: "oe" },
  ...{
    "\u06cc": "\u064a",
    "\u0649": "\u064a",
    "\u06a9": "\u0643",
    "\u0629": "\u0647",
    "\u06c1": "\u0647",
    "\u0640": "",
    "\u0671": "\u0627",
    "\u06d5": "\u0647",
  },
  ...{ "\u05f0": "\u05d5\u05d5", "\u05f1": "\u05d5\u05d9", "\u05f2": "\u05d9\u05d9" },
  ...{ "\u0d7a": "\u0d23\u0d4d", "\u0d7b": "\u0d28\u0d4d", "\u0d7c": "\u0d30\u0d4d" },
  ...{ "\u0d7d": "\u0d32\u0d4d", "\u0d7e": "\u0d33\u0d4d", "\u0d7f": "\u0d15\u0d4d" },
};

export function fold(text: string): Folded {
  const folded = { text: "", starts: [] as number[], ends: [] as number[] };
  for (const { segment, index } of graphemes.segment(text)) {
    const form = foldCharacter(segment);
    folded.text += form;
    for (let unit = 0; unit < form.length; unit += 1) {
      folded.starts.push(index);
      folded.ends.push(index + segment.length);
    }
  }
  return folded;
}

/** Folds one grapheme: marks belong to their letter, so that nothing of the form depends on what is beside it. */
function foldCharacter(character: string): string {
  // There is no case folding, but small letters of capitals are the same but for few: ß becomes ss, ς becomes σ.
  const small = character.replace(INVISIBLE, "").normalize("NFKC").toUpperCase().toLowerCase();
  const plain = small
    .normalize("NFKD")
    .replace(/./gsu, (letter) => SAME_LETTERS[letter] ?? letter)
    .replace(ACCENTS, "$1");
  return plain.normalize("NFKC").replace(/\p{Nd}/gu, asciiDigit);
}

/** The ten digits of a script have consecutive numbers. */
function asciiDigit(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  let value = 0;
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(code - value - 1))) {
    value += 1;
  }
  return String(value);
}
