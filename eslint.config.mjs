import tseslint from 'typescript-eslint';

/** Imports that a room must not make: room, what it may not name, why. A file takes every wall of each room it stands in. */
const walls = [
  { room: 'contract', regex: '^(?!\\.|zod$)', message: 'contract imports nothing but the schema library' },
  {
    room: 'contract',
    regex: '/(lib|runtime|dev|bin|test)(/|$)',
    message: 'contract imports nothing but the schema library',
  },
  { room: 'lib', regex: '/(runtime|dev|bin|test)(/|$)', message: 'lib and runtime meet only in contract' },
  { room: 'runtime', regex: '/(lib|dev|bin|test)(/|$)', message: 'lib and runtime meet only in contract' },
  { room: 'runtime', regex: '^(aws-cdk-lib|constructs|cdk8s)', message: 'lib and runtime meet only in contract' },
  {
    room: 'runtime/core',
    regex: '\\.\\./(registry|migrate|flicker|tickets|symphony|logplatform)(/|$)',
    message: 'core knows no program',
  },
  {
    room: 'runtime/registry',
    regex: '\\.\\./(migrate|flicker|tickets|symphony|logplatform)(/|$)',
    message: 'the registry knows no program',
  },
  ...['flicker', 'tickets', 'symphony', 'logplatform'].flatMap((workload, _, all) =>
    ['lib', 'runtime'].map((side) => ({
      room: `${side}/${workload}`,
      regex: `\\.\\./(${all.filter((other) => other !== workload).join('|')})(/|$)`,
      message: 'no workload imports another',
    })),
  ),
];
/** Of lib, only k8s and the charts may reach cdk8s: a CDK-only user installs neither of its packages. */
const cdk8s = { regex: '^cdk8s|/k8s(/|$)|-chart(-props)?$', message: 'what lib/index.ts reaches never imports cdk8s' };
const charts = ['lib/k8s/**/*.ts', 'lib/**/*-chart{,-props}.ts'];

const restricted = (patterns) => ({
  'no-restricted-imports': ['error', { patterns: patterns.map(({ regex, message }) => ({ regex, message })) }],
});

/** Two lint entries a room, what may reach cdk8s apart, the narrowest last: an entry replaces the rule of an earlier one. */
const rooms = [...new Set(walls.map((wall) => wall.room))].sort((a, b) => a.length - b.length);
const imports = rooms.flatMap((room) => {
  const files = [`${room}/**/*.ts`];
  const own = walls.filter((wall) => room === wall.room || room.startsWith(`${wall.room}/`));
  if (!room.startsWith('lib')) return [{ files, rules: restricted(own) }];
  return [
    { files, ignores: charts, rules: restricted([...own, cdk8s]) },
    { files: [charts.map((chart) => [...files, chart])].flat(), rules: restricted(own) },
  ];
});

export default tseslint.config(
  { ignores: ['dist/', '.cache/', 'cdk.out/', 'node_modules/'] },
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      'no-console': 'off',
      eqeqeq: 'error',
    },
  },
  { files: ['**/*.{js,cjs}'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
  { files: ['{lib,runtime,contract}/**/*.ts'], rules: { 'no-console': 'error' } },
  ...imports,
);
