/** A container path, and the folder of this machine that stands for it. */
export interface Mount {
  readonly containerPath: string;
  readonly folder: string;
}

/**
 * Puts the folders of this machine in place of a container's mounted paths, since a local program sees no other root.
 * `/state` means `/state` and what is below it, never `/states`.
 */
export interface PathMapper {
  /** A path, or an option with one (`--file=/state/x`): replaced when it begins with a mounted path. */
  path(text: string): string;
  /** An environment value: a path, or JSON whose strings are paths. */
  value(text: string): string;
  /** A command line or an argument: every word in it that begins with a mounted path. */
  script(text: string): string;
}

const wordStart = String.raw`(^|[\s'"=:,;|&<>()]|file://)`;
const wordEnd = String.raw`(?=/|$|[\s'"=:,;|&<>()*?[\]{}])`;

/** The mapper of a container's mounts. */
export function pathMapper(mounts: readonly Mount[]): PathMapper {
  if (mounts.length === 0) return { path: (text) => text, value: (text) => text, script: (text) => text };
  const folders = new Map(mounts.map(({ containerPath, folder }) => [containerPath.replace(/\/+$/, ''), folder]));
  const paths = [...folders.keys()].sort((a, b) => b.length - a.length).map((path) => path.replace(/[^\w/]/g, '\\$&'));
  const alternatives = `(${paths.join('|')})`;
  const atStart = new RegExp(`^(--?[\\w-]+=|file://)?${alternatives}${wordEnd}`);
  const anywhere = new RegExp(`${wordStart}${alternatives}${wordEnd}`, 'g');
  const swap = (_: string, before: string | undefined, path: string) => `${before ?? ''}${folders.get(path) ?? path}`;

  const path = (text: string) => text.replace(atStart, swap);
  return {
    path,
    script: (text) => text.replace(anywhere, swap),
    value: (text) => {
      if (!/^\s*[[{]/.test(text)) return path(text);
      try {
        const parsed: unknown = JSON.parse(text);
        const before = JSON.stringify(parsed);
        const after = JSON.stringify(parsed, (_, part: unknown) => (typeof part === 'string' ? path(part) : part));
        return before === after ? text : after;
      } catch {
        // Not JSON after all.
        return path(text);
      }
    },
  };
}
