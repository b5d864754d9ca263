import { Stack, type App, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { LogShipper, StateRegistry, type IStateRegistry } from '../lib';
import type { AppSettings } from './settings';

/** What must survive: rarely changed, never deleted by accident. */
export class StateStack extends Stack {
  readonly registry: StateRegistry;

  constructor(app: App, id: string, props: StackProps) {
    super(app, id, props);
    this.registry = new StateRegistry(this, 'Registry');
  }
}

export interface ServiceStackProps extends StackProps, AppSettings {
  readonly registry: IStateRegistry;
}

/** What runs: often changed, deployed alone. */
export class ServiceStack extends Stack {
  readonly shipper: LogShipper;

  constructor(app: App, id: string, props: ServiceStackProps) {
    super(app, id, props);
    this.shipper = new LogShipper(this, 'Shipper', {
      registry: props.registry,
      stage: props.stage,
      config: props.config,
      environment: props.environment,
      secrets: Object.fromEntries(
        Object.entries(props.secrets).map(([variable, name]) => [
          variable,
          Secret.fromSecretNameV2(this, `Secret${variable}`, name),
        ]),
      ),
      logVolumes: props.logVolumes,
      ...(props.nat ? {} : { vpc: this.publicVpc(), assignPublicIp: true }),
    });
    if (props.writer) {
      const writer = this.shipper.taskDefinition.addContainer('writer', {
        image: ecs.ContainerImage.fromRegistry(props.writer.image),
        command: [...props.writer.command],
        essential: false,
        readonlyRootFilesystem: true,
        logging: ecs.LogDriver.awsLogs({ logGroup: this.shipper.logGroup, streamPrefix: 'writer' }),
      });
      this.shipper.mountLogVolumes(writer);
    }
    if (props.monitor) this.shipper.monitor();
  }

  private publicVpc(): ec2.Vpc {
    return new ec2.Vpc(this, 'PublicVpc', {
      maxAzs: 2,
      natGateways: 0,
      subnetConfiguration: [{ name: 'public', subnetType: ec2.SubnetType.PUBLIC, mapPublicIpOnLaunch: false }],
      gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
      restrictDefaultSecurityGroup: false,
    });
  }
}
