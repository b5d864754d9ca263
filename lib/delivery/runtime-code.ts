import { AssetHashType, Duration } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { Construct } from 'constructs';
import { BUNDLE_FOLDER, bundleCalls, runtimeImages } from '../../contract';
import { grantCalls } from '../identity/grant-calls';
import { problem } from '../problem';
import { bundleFile } from './bundle-file';
import { copyEnvironment, copyScript } from './copy-bundle';

export interface BundleOptions {
  /**
   * Digest (`sha256:…`) of the Node image, to be used instead of its tag.
   *
   * @default - the tag public.ecr.aws/docker/library/node:24.21.0-bookworm-slim
   */
  readonly nodeDigest?: string;
  /**
   * Digest (`sha256:…`) of the AWS CLI image that copies the bundle, to be used instead of its tag.
   *
   * @default - the tag public.ecr.aws/aws-cli/aws-cli:2.36.44
   */
  readonly awsCliDigest?: string;
}

/** A task that is to run a program. */
export interface RuntimeTask {
  /** Name of the program in the contract. */
  readonly program: string;
  readonly taskDefinition: ecs.FargateTaskDefinition;
  readonly logging: ecs.LogDriver;
}

/** What a container that runs the program is made of. */
export interface BoundRuntime {
  readonly image: ecs.ContainerImage;
  /** Mounts what the program needs and makes its container wait for it. */
  attach(container: ecs.ContainerDefinition): void;
}

/** How a container gets the runtime. In each way the program lies at `/holdfast/<program>.mjs` and `node` runs it. */
export abstract class RuntimeCode {
  /**
   * A stock Node image runs the prebuilt bundle. It travels as a file asset; before the program starts, a container of the
   * AWS CLI image copies it into a volume of the task and checks its SHA-256. Needs no Docker, in CI nor anywhere.
   *
   * @throws Error when a digest is not one
   */
  static bundle(options: BundleOptions = {}): RuntimeCode {
    return new BundleCode(options);
  }

  /** An image of your own that holds the program at `/holdfast/<program>.mjs`, as the one of `runtime/Dockerfile` does. */
  static image(image: ecs.ContainerImage): RuntimeCode {
    return new ImageCode(image);
  }

  /** Adds to the task what this way needs. Called once by the construct that owns the task. */
  abstract bind(scope: Construct, task: RuntimeTask): BoundRuntime;
}

class ImageCode extends RuntimeCode {
  constructor(private readonly image: ecs.ContainerImage) {
    super();
  }

  override bind(): BoundRuntime {
    return { image: this.image, attach: () => undefined };
  }
}

/** Task volume that holds the bundle. */
export const RUNTIME_VOLUME = 'runtime';

class BundleCode extends RuntimeCode {
  private readonly nodeImage: ecs.ContainerImage;
  private readonly awsCliImage: ecs.ContainerImage;

  constructor(options: BundleOptions) {
    super();
    this.nodeImage = stockImage('nodeDigest', runtimeImages.node, options.nodeDigest);
    this.awsCliImage = stockImage('awsCliDigest', runtimeImages.awsCli, options.awsCliDigest);
  }

  override bind(scope: Construct, task: RuntimeTask): BoundRuntime {
    const { path, sha256 } = bundleFile(task.program);
    const asset = new Asset(scope, 'Bundle', { path, assetHash: sha256, assetHashType: AssetHashType.CUSTOM });
    grantCalls(task.taskDefinition.taskRole, bundleCalls(asset.s3BucketName, asset.s3ObjectKey));
    task.taskDefinition.addVolume({ name: RUNTIME_VOLUME });
    const copy = task.taskDefinition.addContainer('bundle', {
      image: this.awsCliImage,
      essential: false,
      // Volumes of a Fargate task belong to root, so only root can write the first file. Nothing else runs as root.
      user: '0:0',
      readonlyRootFilesystem: true,
      entryPoint: ['/bin/sh', '-c'],
      command: [copyScript],
      environment: copyEnvironment(task.program, asset.s3ObjectUrl, sha256),
      logging: task.logging,
      startTimeout: Duration.minutes(2),
    });
    copy.addMountPoints({ sourceVolume: RUNTIME_VOLUME, containerPath: BUNDLE_FOLDER, readOnly: false });
    return {
      image: this.nodeImage,
      attach: (container) => {
        container.addMountPoints({ sourceVolume: RUNTIME_VOLUME, containerPath: BUNDLE_FOLDER, readOnly: true });
        container.addContainerDependencies({ container: copy, condition: ecs.ContainerDependencyCondition.SUCCESS });
      },
    };
  }
}

function stockImage(
  prop: keyof BundleOptions,
  image: { readonly repository: string; readonly tag: string },
  digest: string | undefined,
): ecs.ContainerImage {
  if (digest === undefined) return ecs.ContainerImage.fromRegistry(`${image.repository}:${image.tag}`);
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) {
    throw problem({
      what: prop,
      got: JSON.stringify(digest),
      expected: '"sha256:" and 64 hexadecimal digits',
      fix: `take the digest of ${image.repository} from its registry`,
    });
  }
  return ecs.ContainerImage.fromRegistry(`${image.repository}@${digest}`);
}
