/** The style of the status page. */
export const style = `
:root {
  color-scheme: light dark;
  --ground: #f4f5f7; --card: #ffffff; --line: #e2e5ea; --text: #16191f; --soft: #5d6675; --faint: #8a93a3;
  --accent: #0f766e; --accent-soft: #0f766e1f; --good: #15803d; --warn: #b45309; --bad: #b91c1c;
  --good-soft: #15803d1a; --warn-soft: #b453091f; --bad-soft: #b91c1c1a; --shadow: 0 1px 2px #0f172a0d, 0 4px 16px #0f172a0a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0e1116; --card: #161b22; --line: #262d38; --text: #e6eaf0; --soft: #9aa5b5; --faint: #6c7788;
    --accent: #2dd4bf; --accent-soft: #2dd4bf26; --good: #4ade80; --warn: #fbbf24; --bad: #f87171;
    --good-soft: #4ade8021; --warn-soft: #fbbf2421; --bad-soft: #f8717121; --shadow: none;
  }
}
* { box-sizing: border-box; margin: 0; }
[hidden] { display: none !important; }
body {
  background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  -webkit-text-size-adjust: 100%; font-variant-numeric: tabular-nums;
}
main { max-width: 1120px; margin: 0 auto; padding: 28px 20px 48px; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 10px 14px; margin-bottom: 20px; }
h1 { font-size: 22px; font-weight: 650; letter-spacing: -.01em; display: flex; align-items: center; gap: 10px; }
h1 svg { width: 26px; height: 26px; color: var(--accent); }
h2 { font-size: 13px; font-weight: 600; color: var(--soft); margin: 28px 0 10px; }
.fresh { margin-left: auto; color: var(--soft); font-size: 13px; }
.pill {
  display: inline-flex; align-items: center; gap: 7px; border-radius: 999px; padding: 2px 11px 2px 9px; font-size: 13px;
  font-weight: 550; white-space: nowrap; background: var(--line); color: var(--soft);
}
.pill::before { content: ""; width: 8px; height: 8px; border-radius: 50%; background: currentColor; }
.good { background: var(--good-soft); color: var(--good); }
.warn { background: var(--warn-soft); color: var(--warn); }
.bad { background: var(--bad-soft); color: var(--bad); }
.notice { display: none; border-radius: 10px; padding: 10px 14px; margin-bottom: 16px; }
.notice.shown { display: block; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; box-shadow: var(--shadow); }
.tiles { display: grid; grid-template-columns: 2.1fr repeat(5, 1fr); gap: 12px; }
.tile { padding: 14px 16px; min-width: 0; }
.tile dt { color: var(--soft); font-size: 13px; }
.tile dd { font-size: 24px; font-weight: 600; letter-spacing: -.02em; line-height: 1.3; overflow-wrap: anywhere; }
.tile small { display: block; color: var(--faint); font-size: 12.5px; min-height: 1.5em; }
.tile.wide { position: relative; overflow: hidden; }
.tile.wide svg { position: absolute; right: 0; bottom: 0; width: 46%; height: 74%; }
.line { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
.area { fill: var(--accent-soft); }
.facts { display: grid; grid-template-columns: 4fr 2.6fr .8fr 2.8fr; gap: 14px 24px; padding: 16px; }
.facts + .facts { margin-top: 10px; }
.facts dt { color: var(--soft); font-size: 13px; }
.facts dd { overflow-wrap: anywhere; }
table { width: 100%; border-collapse: separate; border-spacing: 0; }
th { text-align: left; font-size: 12.5px; font-weight: 550; color: var(--soft); padding: 11px 16px 9px; white-space: nowrap; }
td { padding: 11px 16px; border-top: 1px solid var(--line); vertical-align: top; }
.number { text-align: right; white-space: nowrap; }
.name { font-weight: 600; overflow-wrap: anywhere; }
.sub { color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
.problem { color: var(--bad); font-size: 13px; overflow-wrap: anywhere; max-width: 62ch; }
.alert { color: var(--bad); font-weight: 600; }
footer { margin-top: 26px; color: var(--faint); font-size: 13px; display: flex; flex-wrap: wrap; gap: 4px 18px; }
a { color: inherit; }
@media (max-width: 1000px) { .tiles { grid-template-columns: repeat(3, 1fr); } .tile.wide { grid-column: span 3; } }
@media (max-width: 880px) {
  main { padding: 20px 14px 40px; }
  .fresh { margin-left: 0; width: 100%; }
  .facts { grid-template-columns: repeat(2, 1fr); }
  table, tbody, tr, td { display: block; }
  thead { display: none; }
  tr + tr { border-top: 1px solid var(--line); }
  tr { padding: 12px 16px; }
  td { border: 0; padding: 2px 0; }
  td.number { display: flex; justify-content: space-between; text-align: left; }
  td.number > span { text-align: right; }
  td.number::before { content: attr(data-label); color: var(--soft); }
}
@media (max-width: 520px) {
  .tiles { grid-template-columns: repeat(2, 1fr); }
  .tile.wide, .tile:last-child { grid-column: span 2; }
  .facts { grid-template-columns: 1fr; }
}
@media (prefers-reduced-motion: no-preference) { .pill.good::before { animation: beat 2s ease-in-out infinite; } }
@keyframes beat { 50% { opacity: .35; } }
`;
