import type { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';

/**
 * The template of a stack without what changes when nothing of yours does: content hashes of assets and functions, the
 * version check of the bootstrap stack, and the metadata that the CDK adds. Made for snapshots:
 * `expect(normalizedTemplate(stack)).toMatchSnapshot()`.
 */
export function normalizedTemplate(stack: Stack): Record<string, unknown> {
  const template: Record<string, unknown> = structuredClone(Template.fromStack(stack).toJSON());
  return without(normalized(template), {
    Parameters: (id) => id === 'BootstrapVersion' || id.startsWith('AssetParameters'),
    Rules: (id) => id === 'CheckBootstrapVersion',
    Conditions: (id) => id === 'CDKMetadataAvailable',
    Resources: (id) => id === 'CDKMetadata',
  });
}

type Section = Readonly<Record<string, (id: string) => boolean>>;

/** Removes entries of a template's sections, and sections that become empty by it. */
function without(template: unknown, sections: Section): Record<string, unknown> {
  if (!isRecord(template)) return {};
  const entries = Object.entries(template).map(([name, section]): [string, unknown] => {
    const drop = sections[name];
    return drop && isRecord(section)
      ? [name, Object.fromEntries(Object.entries(section).filter(([id]) => !drop(id)))]
      : [name, section];
  });
  return Object.fromEntries(
    entries.filter(([name, section]) => !(name in sections && isRecord(section) && Object.keys(section).length === 0)),
  );
}

function normalized(value: unknown): unknown {
  if (typeof value === 'string') return scrub(value);
  if (Array.isArray(value)) return value.map(normalized);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, item]): [string, unknown] => [scrub(key), key === 'Metadata' ? ownMetadata(item) : normalized(item)])
      .filter(([, item]) => item !== undefined),
  );
}

/** Asset hashes (SHA-256), and the hash at the end of the logical ids that follow content. */
function scrub(text: string): string {
  return text
    .replace(/\b[0-9a-f]{64}\b/g, '<sha256>')
    .replace(/(CurrentVersion|Deployment)([0-9A-F]{8})?[0-9a-f]{32}\b/g, '$1$2<hash>');
}

/** Metadata that a person wrote; the CDK's own entries are about paths and assets. */
function ownMetadata(value: unknown): unknown {
  if (!isRecord(value)) return normalized(value);
  const kept = Object.entries(value).filter(([key]) => !/^(aws:(cdk|asset):|cdk_nag$)/.test(key));
  return kept.length > 0 ? Object.fromEntries(kept.map(([key, item]) => [key, normalized(item)])) : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
