import { RE2JS, RE2JSException, type Matcher } from 're2js';

/** A compiled pattern. Matching takes time in proportion to the text, whatever the pattern. */
export interface Pattern {
  test(text: string): boolean;
  /** Finds matches one after the other. */
  matcher(text: string): Matcher;
}

const SUPPORTED =
  'patterns are RE2 syntax: character classes, groups, alternatives, repetition up to 1000, anchors, \\b, (?i) and ' +
  '\\p{…}; look-around, back-references and possessive or atomic groups are not supported, because they cannot be ' +
  'matched in linear time';

/** What in a pattern is refused, for a message; the parser names only the place. */
const refusals: readonly (readonly [RegExp, string])[] = [
  [/\(\?<?[=!]/, 'look-around is not supported'],
  [/\\[1-9]|\\k[<{']/, 'back-references are not supported'],
  [/\(\?>|[*+?}]\+/, 'atomic groups and possessive repetition are not supported'],
];

/** Compiles a pattern, or tells `report` what is wrong with it. */
export function compilePattern(source: string, key: string, report: (problem: string) => void): Pattern | undefined {
  try {
    return RE2JS.compile(source);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    const refusal = refusals.find(([construct]) => construct.test(source))?.[1];
    const fault = error.message.replace(/^error parsing regexp: /, '');
    report(`${key}: ${refusal ? `${refusal} (${fault})` : fault} in pattern ${JSON.stringify(source)}; ${SUPPORTED}`);
    return undefined;
  }
}
