import { containerOf, type DockerSourceConfig } from '../../../../contract/flicker';
import type { Container } from './engine';

/** An id is told from a name by this many digits. */
const ID_DIGITS = 12;

/** Which containers a source follows. */
export function createSelection(
  config: Pick<DockerSourceConfig, 'container' | 'name' | 'labels'>,
): (container: Container) => boolean {
  const told = containerOf(config)?.replace(/^\//, '');
  const named = told === undefined ? () => true : matcher(told);
  const labels = config.labels.map((label) => {
    const equals = label.indexOf('=');
    return equals === -1
      ? { key: label, value: undefined }
      : { key: label.slice(0, equals), value: label.slice(equals + 1) };
  });
  return (container) =>
    named(container) &&
    labels.every(({ key, value }) => {
      const found = container.labels[key];
      return found !== undefined && (value === undefined || found === value);
    });
}

function matcher(told: string): (container: Container) => boolean {
  const isId = new RegExp(`^[0-9a-f]{${ID_DIGITS},64}$`).test(told);
  const glob = new RegExp(
    `^${told
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replace(/\*/g, '.*')
      .replace(/\?/g, '.')}$`,
    's',
  );
  return ({ id, names }) => (isId && id.startsWith(told)) || names.some((name) => glob.test(name));
}
