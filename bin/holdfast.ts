import { App } from 'aws-cdk-lib';
import { readSettings } from './settings';
import { ServiceStack, StateStack } from './stacks';

/**
 * The reference app: `Holdfast-<stage>-State` keeps the registries and is deployed once; `Holdfast-<stage>-Service` is
 * what a pipeline deploys (`cdk deploy --exclusively`). Context: see `settings.ts`.
 */
const app = new App();
const settings = readSettings((name) => app.node.tryGetContext(name));

const state = new StateStack(app, `Holdfast-${settings.stage}-State`, { terminationProtection: true });
new ServiceStack(app, `Holdfast-${settings.stage}-Service`, { ...settings, registry: state.registry });
