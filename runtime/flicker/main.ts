// Each command loads what it needs and no more: a health check runs every few seconds.
async function main(argv: readonly string[]): Promise<number> {
  if (argv[2] === 'health') return (await import('./health')).askHealth(argv, process.env);
  return (await import('./cli')).run(argv, process.env);
}

// Nobody reads any more what is written. A start sends again what was not saved.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (stream === process.stdout)
      process.stderr.write(`flicker: standard output cannot be written: ${error.message}\n`);
    process.exit(1);
  });
}

main(process.argv).then(
  // What a library still holds open must not keep a finished program from ending. Writes to pipes and files are done.
  (code) => process.exit(code),
  (error: unknown) => {
    const debug = process.argv.includes('--debug');
    process.stderr.write(`flicker: ${debug && error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  },
);
