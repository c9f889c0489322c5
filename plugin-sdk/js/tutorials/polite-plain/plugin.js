// Words that no answer may hold: one can be repaired, more are too many.

import { accept, reject, repair } from "jackfield";

/** The plugin's `config:`. */
export const settings = { forbidden: [] };

export const info = { description: "Finds words in answers that are not to be there" };

export function checkConfig({ forbidden }) {
  for (const word of forbidden) {
    if (typeof word !== "string" || word === "") throw new Error("`forbidden` must be a list of words");
  }
}

export const validate = (_request, response, { forbidden }) => {
  const answer = lowered(response.text);
  const found = forbidden.filter((word) => answer.includes(lowered(word)));
  if (found.length === 0) return accept({ score: 1 });
  if (found.length === 1) return repair(`Say it again without the word \`${found[0]}\`.`);
  return reject(found.map((word) => `the answer contains \`${word}\``));
};

/** ASCII letters in lower case; all others as they are. */
const lowered = (text) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
