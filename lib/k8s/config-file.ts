import { createHash } from 'node:crypto';
import { stableText } from './tokens';

/** Annotation of a pod template that changes with its config, so that a new config is a new pod. */
export const CONFIG_HASH_ANNOTATION = 'checksum/config';

/**
 * A config as the text of a file: JSON, which is YAML too, with sorted keys, as Helm's `toPrettyJson` writes it. So the
 * hash of a config is the same from a chart and from Helm.
 */
export function configFileText(config: unknown): string {
  return JSON.stringify(sorted(config), null, 2).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** SHA-256 of a config file. */
export function configHash(text: string): string {
  return createHash('sha256').update(stableText(text)).digest('hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}
