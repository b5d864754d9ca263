/**
 * The script of the status page. Everything foreign is set as text, never as markup. Plain JavaScript: it is shown to
 * browsers as it stands here.
 */
export const script = `
'use strict';
const EVERY_MS = 2000;
const KEPT = 90;
const rates = [];
let status;
let answeredAt = 0;

const byId = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

function count(value) {
  return value < 1000000 ? whole.format(value) : short.format(value);
}
function rate(value) {
  return value === 0 ? '0' : value < 10 ? value.toFixed(1) : count(value);
}
function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit++; }
  return (unit === 0 ? value : value.toFixed(1)) + ' ' + units[unit];
}
function ago(text, now) {
  const seconds = Math.max(0, Math.round((now - Date.parse(text)) / 1000));
  if (seconds < 60) return seconds + ' s ago';
  if (seconds < 3600) return Math.floor(seconds / 60) + ' min ago';
  if (seconds < 172800) return Math.floor(seconds / 3600) + ' h ago';
  return Math.floor(seconds / 86400) + ' d ago';
}
function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}
function tile(label, value, note, alarming) {
  const card = make('div', 'card tile');
  const number = make('dd', alarming ? 'alert' : '', value);
  card.append(make('dt', '', label), number, make('small', '', note || ''));
  return card;
}
function fact(label, value, sub) {
  const group = make('div');
  const told = make('dd', '', value);
  group.append(make('dt', '', label), told);
  if (sub) told.append(make('div', 'sub', sub));
  return group;
}
function spark() {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('viewBox', '0 0 100 40');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('aria-hidden', 'true');
  if (rates.length < 2) return svg;
  const most = Math.max(...rates, 1);
  const points = rates.map((value, i) => (i * 100 / (rates.length - 1)).toFixed(2) + ' ' + (38 - 34 * value / most).toFixed(2));
  for (const [kind, path] of [['area', 'M0 40 L' + points.join(' L') + ' L100 40 Z'], ['line', 'M' + points.join(' L')]]) {
    const shape = document.createElementNS(space, 'path');
    shape.setAttribute('class', kind);
    shape.setAttribute('d', path);
    svg.append(shape);
  }
  return svg;
}

const roles = {
  holder: ['Active', 'good'], standby: ['Standby', ''], starting: ['Starting', 'warn'], ended: ['Not the owner any more', 'bad'],
};
const states = {
  running: ['Running', 'good'], paused: ['Paused', 'warn'], failing: ['Failing', 'bad'], stopped: ['Stopped', 'bad'],
  idle: ['Idle', ''],
};

function sum(of) {
  return status.sources.reduce((total, source) => total + (of(source) || 0), 0);
}

function showHead(now) {
  const [text, look] = status.registries.length > 0 ? roles[status.registries[0].role] : ['Positions are not kept', 'warn'];
  byId('role').textContent = text;
  byId('role').className = 'pill ' + look;
  byId('ready').textContent = status.ready.ok ? 'Ready' : 'Not ready';
  byId('ready').className = 'pill ' + (status.ready.ok ? 'good' : 'warn');
  byId('notice').textContent = status.live.ok ? status.ready.ok ? '' : status.ready.detail : status.live.detail;
  byId('notice').className = 'notice ' + (status.live.ok && status.ready.ok ? '' : 'shown ') + (status.live.ok ? 'warn' : 'bad');
  document.title = 'flicker: ' + text.toLowerCase();
}

function showTiles() {
  const wide = tile('Events per second', rate(sum((s) => s.eventsPerSecond)), 'over the last minute');
  wide.className += ' wide';
  wide.append(spark());
  const { registries } = status;
  const all = (of) => registries.reduce((total, registry) => total + of(registry), 0);
  const spilled = all((registry) => registry.spilledBatches);
  const dead = sum((s) => s.deadLettered);
  const missed = sum((s) => s.bytesMissed);
  byId('tiles').replaceChildren(
    wide,
    tile('Delivered', count(sum((s) => s.delivered)), 'events since the start'),
    tile('Waiting in files', bytes(sum((s) => s.lagBytes)), missed > 0 ? bytes(missed) + ' were missed' : 'not delivered yet', missed > 0),
    tile('Not saved yet', registries.length > 0 ? count(all((registry) => registry.unsaved)) : '–', registries.length > 0 ? 'of at most ' + count(status.maxUnsaved) : 'positions are not kept'),
    tile('Retries', count(sum((s) => s.retries)), spilled > 0 ? count(spilled) + ' batches spilled, ' + bytes(all((registry) => registry.spilledBytes)) : 'attempts that failed'),
    tile('Dead letters', count(dead), dead > 0 ? 'refused, and kept' : 'nothing was refused', dead > 0),
  );
}

function showRegistries(now) {
  byId('registry-title').hidden = status.registries.length === 0;
  byId('registries').replaceChildren(...status.registries.map((registry) => {
    const holder = registry.holder;
    const mine = registry.role === 'holder' ? 'this instance' : '';
    const card = make('dl', 'card facts');
    card.append(
      fact('Location', registry.location, registry.clusterId && 'cluster ' + registry.clusterId),
      fact('Lease', holder ? holder.host : 'nobody that is known', holder && [mine, holder.owner.slice(0, 8)].filter(Boolean).join(', ')),
      fact('Epoch', holder ? String(holder.epoch) : '–'),
      fact('Last save', registry.lastSavedAt ? ago(registry.lastSavedAt, now) : '–',
        count(registry.saves) + ' saves, ' + count(registry.saveFailures) + ' failed, ' + count(registry.conflicts) + ' conflicts'),
    );
    return card;
  }));
}

function cell(label, value, sub, alarming) {
  const td = make('td', 'number');
  td.dataset.label = label;
  const told = make('span');
  told.append(make('span', alarming ? 'alert' : '', value));
  if (sub) told.append(make('div', 'sub', sub));
  td.append(told);
  return td;
}

function position(source) {
  const upTo = source.readUpTo ? 'read up to ' + source.readUpTo.replace(/\\.\\d+Z$/, 'Z') : 'nothing read yet';
  if (source.kind === 'api') return 'API, ' + upTo;
  const followed = source.followed || 0;
  const some = count(followed) + ' ' + (source.kind === 'files' ? 'log file' : 'container') + (followed === 1 ? '' : 's');
  return source.kind === 'files' ? some : some + ', ' + upTo;
}

function showSources(now) {
  byId('sources').replaceChildren(...status.sources.map((source) => {
    const row = make('tr');
    const [text, look] = states[source.state];
    const name = make('td');
    name.append(make('div', 'name', source.name), make('div', 'sub', position(source)));
    for (const to of source.destinations) {
      const trouble = to.paused ? ', paused' : to.problem ? ', failing' : '';
      name.append(make('div', 'sub', '→ ' + to.label + trouble));
    }
    if (source.problem) name.append(make('div', 'problem', source.problem));
    const state = make('td');
    state.append(make('span', 'pill ' + look, text));
    const lag = source.kind === 'files' ? source.lagBytes === undefined ? '–' : bytes(source.lagBytes)
      : source.readUpTo ? ago(source.readUpTo, now).replace(' ago', '') : '–';
    row.append(
      name, state,
      cell('Events/s', rate(source.eventsPerSecond)),
      cell('Delivered', count(source.delivered), source.filtered > 0 ? count(source.filtered) + ' filtered' : ''),
      cell(source.kind === 'files' ? 'Waiting' : 'Behind', lag),
      cell('Retries', count(source.retries)),
      cell('Dead letters', count(source.deadLettered), '', source.deadLettered > 0),
      cell('Last read', source.lastReadAt ? ago(source.lastReadAt, now) : '–'),
    );
    return row;
  }));
}

function show() {
  const now = Date.parse(status.now) + Date.now() - answeredAt;
  showHead(now);
  showTiles();
  showRegistries(now);
  showSources(now);
  byId('footer').replaceChildren(
    make('span', '', 'flicker ' + status.version), make('span', '', 'node ' + status.node),
    make('span', '', 'started ' + ago(status.startedAt, now)),
  );
  byId('content').hidden = false;
}

function showFreshness() {
  const late = answeredAt > 0 && Date.now() - answeredAt > 3 * EVERY_MS;
  byId('fresh').textContent = answeredAt === 0 ? 'connecting'
    : late ? 'no answer for ' + ago(new Date(answeredAt).toISOString(), Date.now()).replace(' ago', '') : 'live';
  byId('fresh').className = 'fresh' + (late ? ' alert' : '');
}

async function refresh() {
  try {
    const answer = await fetch('status.json', { cache: 'no-store', signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error('HTTP ' + answer.status);
    status = await answer.json();
    answeredAt = Date.now();
    rates.push(sum((source) => source.eventsPerSecond));
    if (rates.length > KEPT) rates.shift();
    show();
  } catch (error) {
    byId('fresh').title = String(error);
  }
  showFreshness();
  setTimeout(() => void refresh(), EVERY_MS);
}
void refresh();
`;
