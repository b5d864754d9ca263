// Each command loads what it needs and no more: a health check runs every few seconds.
async function main(argv: readonly string[]): Promise<number> {
  if (argv[2] === 'health') return (await import('./health')).askHealth(argv, process.env);
  return (await import('./cli')).run(argv, process.env);
}

main(process.argv).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const debug = process.argv.includes('--debug');
    process.stderr.write(`flicker: ${debug && error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  },
);
