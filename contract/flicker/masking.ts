import { z } from 'zod';
import { strictObject } from '../settings';

/** Built-in masking rules, in the order in which they run. */
export const maskingRules = ['email', 'credit_card', 'ssn', 'phone', 'ip_address', 'api_key'] as const;
export type MaskingRuleName = (typeof maskingRules)[number];

/** What a match is replaced with when the rule has no `replacement`. */
export const maskingReplacements: Readonly<Record<MaskingRuleName, string>> = {
  email: '[EMAIL]',
  credit_card: '[CREDIT_CARD]',
  ssn: '[SSN]',
  phone: '[PHONE]',
  ip_address: '[IP]',
  api_key: '[API_KEY]',
};

const effect = () => ({
  action: z
    .enum(['redact', 'partial'])
    .default('redact')
    .describe('`redact` replaces a match, `partial` keeps its end.'),
  replacement: z.string().optional().describe("Text instead of a match; by default the rule's name in brackets."),
  partial_mask: strictObject({
    keep_last: z
      .int()
      .min(0)
      .default(4)
      .describe('Characters kept at the end; a match no longer than that is masked whole.'),
    mask_char: z.string().min(1).default('*').describe('Character for each one masked.'),
  })
    .prefault({})
    .describe('How `partial` masks.'),
});

const builtIn = () => strictObject({ enabled: z.boolean().default(false).describe('Use this rule.'), ...effect() });

/** What is replaced in an event before it leaves. */
export function maskingSchema() {
  const rule = (what: string) => builtIn().prefault({}).describe(what);
  return strictObject({
    enabled: z.boolean().default(false).describe('Mask at all.'),
    rules: strictObject({
      email: rule('E-mail addresses.'),
      credit_card: rule('13 to 16 digits, with spaces or dashes between them.'),
      ssn: rule('Digits in the form ddd-dd-dddd.'),
      phone: rule('North American telephone numbers.'),
      ip_address: rule('IPv4 addresses.'),
      api_key: rule('`api_key`, `apikey` or `token` followed by `:` or `=` and 16 or more word characters.'),
      custom: z
        .array(
          strictObject({
            name: z.string().min(1).describe('Name of the rule; the replacement is `[NAME]` in capitals.'),
            pattern: z.string().min(1).describe('Pattern (RE2 syntax).'),
            ...effect(),
          }),
        )
        .default([])
        .describe('Your own rules, in order, after the built-in ones.'),
    })
      .prefault({})
      .describe('Which rules run.'),
  });
}
