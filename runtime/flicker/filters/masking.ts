import { maskingReplacements, maskingRules, type MaskingConfig, type MaskingRuleName } from '../../../contract/flicker';
import { compilePattern, type Pattern } from './pattern';

/** The built-in patterns. Wider than narrow: a masked number that was no telephone number does less harm. */
const builtInPatterns: Readonly<Record<MaskingRuleName, string>> = {
  email: String.raw`[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.\p{L}{2,}`,
  credit_card: String.raw`\b\d(?:[ -]?\d){12,15}\b`,
  ssn: String.raw`\b\d{3}-\d{2}-\d{4}\b`,
  phone:
    String.raw`(?:\+1[-. ]?|\b1[-. ]?|\b)\d{3}[-. ]?\d{3}[-. ]?\d{4}\b` +
    String.raw`|(?:(?:\+|\b)1[-. ]?)?\(\d{3}\)[-. ]?\d{3}[-. ]?\d{4}\b`,
  ip_address: String.raw`\b(?:(?:25[0-5]|2[0-4]\d|[01]?\d{1,2})\.){3}(?:25[0-5]|2[0-4]\d|[01]?\d{1,2})\b`,
  api_key: String.raw`(?i)\b(?:api[_-]?key|token)["']?\s*[:=]\s*["']?[\w-]{16,}`,
};

/**
 * Time for the matches of one rule in one line. Each search is linear, but very many searches in one very long line
 * can add up; what is left of such a line is then masked as a whole.
 */
const BUDGET_MS = 1000;

type Rule = MaskingConfig['rules']['custom'][number] | MaskingConfig['rules'][MaskingRuleName];
type Mask = (line: string) => string;

/** The rules that are on, in their fixed order: built-in ones, then custom ones as listed. */
export function createMasks(masking: MaskingConfig | undefined, report: (problem: string) => void): Mask[] {
  if (!masking?.enabled) return [];
  const masks: Mask[] = [];
  const add = (pattern: Pattern | undefined, rule: Rule, replacement: string) => {
    if (pattern) masks.push((line) => replaceMatches(line, pattern, effectOf(rule, replacement)));
  };
  for (const name of maskingRules) {
    const rule = masking.rules[name];
    if (!rule.enabled) continue;
    add(compilePattern(builtInPatterns[name], `masking.rules.${name}`, report), rule, maskingReplacements[name]);
  }
  masking.rules.custom.forEach((rule, i) => {
    const pattern = compilePattern(rule.pattern, `masking.rules.custom[${i}].pattern`, report);
    add(pattern, rule, `[${rule.name.toUpperCase()}]`);
  });
  return masks;
}

/**
 * Whether rules that find nothing in a JSON text without escapes find nothing in its keys and values either: true unless one
 * looks for the beginning or end of a text. To `\\b` the ends of a text are what quotes are.
 */
export function findWithin(masking: MaskingConfig | undefined): boolean {
  return !masking?.rules.custom.some(({ pattern }) => /[$^]|\\[AzZ]/.test(pattern));
}

function effectOf(rule: Rule, replacement: string): (match: string) => string {
  switch (rule.action) {
    case 'redact':
      return () => rule.replacement ?? replacement;
    case 'partial':
      return (match) => maskPartly(match, rule.partial_mask.keep_last, rule.partial_mask.mask_char);
  }
}

/** Masks all but the last characters (code points). A text that is no longer than that is masked whole. */
export function maskPartly(text: string, keepLast: number, maskChar: string): string {
  const characters = Array.from(text);
  const masked = characters.length <= keepLast ? characters.length : characters.length - keepLast;
  return maskChar.repeat(masked) + characters.slice(masked).join('');
}

/** Replaces the matches that are not empty. `budgetMs` is for tests. */
export function replaceMatches(
  line: string,
  pattern: Pattern,
  effect: (match: string) => string,
  budgetMs = BUDGET_MS,
): string {
  if (!pattern.test(line)) return line;
  const deadline = performance.now() + budgetMs;
  const matcher = pattern.matcher(line);
  let result = '';
  let done = 0;
  while (matcher.find()) {
    const start = matcher.start();
    const end = matcher.end();
    if (performance.now() > deadline) return result + effect(line.slice(done));
    if (end === start) continue;
    result += line.slice(done, start) + effect(line.slice(start, end));
    done = end;
  }
  return result + line.slice(done);
}
