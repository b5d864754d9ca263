import { App, Stack, type StackProps } from 'aws-cdk-lib';
import flags from 'aws-cdk-lib/recommended-feature-flags.json';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { FlickerConfigInput } from '../../../contract';
import { LogShipper, StateRegistry, type LogShipperProps } from '../../../lib';

/** An app as `cdk init` makes it: every recommended flag. The built-in validation costs a second and has its own test. */
export function testApp(options: { validation?: boolean; context?: Record<string, unknown> } = {}): App {
  return new App({
    context: { ...flags, ...options.context },
    builtinCloudFormationValidation: options.validation ?? false,
    treeMetadata: false,
  });
}

export function testStack(props: StackProps = {}, app = testApp()): Stack {
  return new Stack(app, 'Test', props);
}

/** A config that needs no variable, with one source that goes to a web server. */
export function plainConfig(change: Partial<FlickerConfigInput> = {}): FlickerConfigInput {
  return {
    api_sources: [
      { name: 'audit', endpoint: 'https://api.example.com/events', results_field: 'items', timestamp_field: 'at' },
    ],
    destination: { type: 'http', endpoint: 'https://logs.example.com/' },
    ...change,
  };
}

/** A shipper with the least props, and these. */
export function shipperIn(stack: Stack, props: Partial<LogShipperProps> = {}, id = 'Shipper'): LogShipper {
  return new LogShipper(stack, id, {
    registry: props.registry ?? new StateRegistry(stack, `${id}Registry`),
    config: plainConfig(),
    ...props,
  });
}

/** The first example of the README. */
export function exampleShipper(stack: Stack): LogShipper {
  const registry = new StateRegistry(stack, 'Registry');
  return new LogShipper(stack, 'Okta', {
    registry,
    config: {
      api_sources: [
        {
          name: 'okta-audit-logs',
          endpoint: 'https://company.okta.com/api/v1/logs',
          polling_frequency_ms: 30_000,
          results_field: '',
          timestamp_field: 'published',
          id_field: 'uuid',
          time_filter_param: 'since',
          headers: { Authorization: 'SSWS ${OKTA_API_TOKEN}' },
          pagination: { pagination_type: 'link' },
          destination: { type: 's3', bucket: 'company-archive', prefix: 'okta/' },
        },
      ],
    },
    secrets: { OKTA_API_TOKEN: Secret.fromSecretNameV2(stack, 'Token', 'flicker/okta-token') },
  });
}
