import type { FlickerStatus, SourceStatus } from '../../../contract/flicker';
import { agoText, bytesText, printable, table } from '../commands/table';

const roles = {
  starting: 'starting',
  holder: 'active: holds the registry',
  standby: 'standby',
  ended: 'not the owner of the registry any more',
} as const;

/** A status for a terminal. */
export function statusText(status: FlickerStatus): string {
  const { registries, sources, maxUnsaved } = status;
  const now = Date.parse(status.now);
  const [first] = registries;
  const role = first ? roles[first.role] : 'positions are not kept';
  const lines = [
    `flicker ${status.version}, ${role}, ${status.live.ok ? 'live' : 'NOT LIVE'}, ${status.ready.ok ? 'ready' : 'not ready'}`,
    ...(status.live.ok ? [] : [status.live.detail]),
    ...(status.ready.ok ? [] : [status.ready.detail]),
    `node      ${status.node}, started ${agoText(Date.parse(status.startedAt), now)}`,
  ];
  for (const registry of registries) {
    const { holder, clusterId, lastSavedAt } = registry;
    const saved = lastSavedAt === undefined ? 'not saved yet' : `saved ${agoText(Date.parse(lastSavedAt), now)}`;
    lines.push(
      `registry  ${registry.location}${clusterId ? `, cluster ${clusterId}` : ''}`,
      `lease     ${holder ? `${holder.owner} on ${holder.host}, epoch ${holder.epoch}` : 'holder not known'}`,
      `saves     ${saved}; ${registry.saves} saves, ${registry.saveFailures} failed, ${registry.conflicts} conflicts; ` +
        `${registry.unsaved} of at most ${maxUnsaved} events not saved`,
    );
    if (registry.spilledBatches > 0) {
      lines.push(`spilled   ${registry.spilledBatches} batches, ${bytesText(registry.spilledBytes)}`);
    }
  }
  const heading = ['SOURCE', 'STATE', 'EVENTS/S', 'DELIVERED', 'BEHIND', 'RETRIES', 'DEAD LETTERS', 'LAST READ'];
  const rows = sources.map((source) => [
    source.name,
    source.state,
    source.eventsPerSecond.toFixed(1),
    String(source.delivered),
    behind(source, now),
    String(source.retries),
    String(source.deadLettered),
    source.lastReadAt === undefined ? '-' : agoText(Date.parse(source.lastReadAt), now),
  ]);
  const problems = sources.flatMap(({ name, problem, destinations }) => [
    ...(problem ? [`${name}: ${problem}`] : []),
    ...destinations
      .filter((to) => to.problem && to.problem !== problem)
      .map((to) => `${name} → ${to.label}: ${to.problem}`),
  ]);
  const body = `${lines.map(printable).join('\n')}\n\n${table(heading, rows)}`;
  return problems.length === 0 ? body : `${body}\n${problems.map(printable).join('\n')}\n`;
}

function behind({ kind, lagBytes, readUpTo }: SourceStatus, now: number): string {
  if (kind === 'files') return lagBytes === undefined ? '-' : bytesText(lagBytes);
  return readUpTo === undefined ? '-' : agoText(Date.parse(readUpTo), now).replace(/ ago$/, '');
}
