import type { MiddlewareStack } from '@smithy/types';
import { coreEvents } from '../../contract/core';
import type { AwsSettings } from './aws';
import type { LogFields, Logger } from './log';

const CONNECT_TIMEOUT_MS = 3000;

/**
 * What every AWS client is made with. It never retries by itself: every caller knows which attempt an answer belongs to,
 * and says with a signal how long it may take.
 */
export function clientOptions(settings: AwsSettings, region: string | undefined) {
  const own = region ?? settings.region ?? (settings.endpoint ? 'us-east-1' : undefined);
  return {
    ...(own && { region: own }),
    ...(settings.endpoint && { endpoint: settings.endpoint }),
    maxAttempts: 1,
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS },
  };
}

/** Logs each call at level debug: the operation, and the fields that name what it touches. */
export function recordCalls<Input extends object, Output extends object>(
  client: { readonly middlewareStack: MiddlewareStack<Input, Output> },
  service: string,
  log: Logger,
  touched: (input: Input) => LogFields,
): void {
  client.middlewareStack.add(
    (next, context) => (args) => {
      const operation = String(context.commandName ?? '').replace(/Command$/, '');
      log.debug(coreEvents.awsCall, `${service} ${operation}`, { operation, ...touched(args.input) });
      return next(args);
    },
    { step: 'initialize', name: 'logCalls' },
  );
}
