import { createHash } from 'node:crypto';
import type { Page } from '../../core/server';
import { script } from './page-script';
import { style } from './page-style';

const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

const columns = ['Events/s', 'Delivered', 'Behind', 'Retries', 'Dead letters', 'Last read'];

const text = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>flicker</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<main>
<header>
<h1><svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M13 2 5 13.5h5.5L10 22l9-12.5h-6z"/></svg>flicker</h1>
<span id="role" class="pill">…</span>
<span id="ready" class="pill">…</span>
<span id="fresh" class="fresh" role="status">connecting</span>
</header>
<p id="notice" class="notice" role="alert"></p>
<div id="content" hidden>
<dl id="tiles" class="tiles"></dl>
<h2 id="registry-title">Registry</h2>
<div id="registries"></div>
<h2>Sources</h2>
<table class="card">
<thead><tr><th>Source</th><th>State</th>${columns.map((name) => `<th class="number">${name}</th>`).join('')}</tr></thead>
<tbody id="sources"></tbody>
</table>
<footer id="footer"></footer>
</div>
<noscript>This page needs JavaScript; <a href="status.json">status.json</a> has the same in JSON.</noscript>
</main>
<script>${script}</script>
</body>
</html>
`;

/** The status page: static, and asks for `status.json` every two seconds. It loads nothing from anywhere else. */
export const statusPage: Page = {
  type: 'text/html; charset=utf-8',
  text,
  headers: {
    'content-security-policy': [
      "default-src 'none'",
      "connect-src 'self'",
      'img-src data:',
      `style-src ${hashOf(style)}`,
      `script-src ${hashOf(script)}`,
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'referrer-policy': 'no-referrer',
  },
};
