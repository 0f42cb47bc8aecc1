import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { S3Backend, TerraformOutput, TerraformStack } from "cdktf";
import type { Construct } from "constructs";
import { ACTIONS, ROLES, type Role, hasUrl } from "../functions/sign-url/actions";
import { VARIABLES } from "../functions/sign-url/environment";
import { type Place, bucketArn } from "./arns";
import { AccessLogBucket } from "./constructs/access-log-bucket";
import { BundledFunction } from "./constructs/bundled-function";
import { PrivateBucket } from "./constructs/private-bucket";
import { UrlApi } from "./constructs/url-api";
import { MAX_SIGNATURE_AGE, type Statement, signerStatements } from "./policy";
import { bundleSigner } from "./signer";
import { type StageConfig, validateStage } from "./stage";

/** The AWS provider's versions that a stage works with. The types prove the newest, the real apply the oldest. */
const PROVIDER = { source: "hashicorp/aws", version: ">= 5.100.0, < 7.0.0" };

/**
 * Uploads without credentials: an API that answers pre-signed URLs, the function that signs them, and the bucket
 * that they lead to.
 */
export class UploadFormStack extends TerraformStack {
  /** Where payloads live, under input/. */
  readonly bucket: PrivateBucket;
  /** Where the other buckets' access logs go. */
  readonly accessLogs: AccessLogBucket;
  readonly api: UrlApi;
  /** The function that signs for each role: one for both, unless consumers sign their requests. */
  readonly signers: Readonly<Record<Role, BundledFunction>>;
  /** The function of each action that has no URL, by the action's name. */
  readonly actionFunctions: Readonly<Record<string, BundledFunction>>;
  protected readonly place: Place;

  constructor(
    scope: Construct,
    id: string,
    protected readonly config: StageConfig,
  ) {
    super(scope, id);
    validateStage(config);
    const { stage, accountId, region, forceDestroy = false } = config;
    this.place = { accountId, region };
    this.configureTerraform();

    this.accessLogs = new AccessLogBucket(this, "access-logs", {
      bucketName: this.bucketName("access-logs"),
      accountId,
      sources: this.loggedBuckets,
      forceDestroy,
    });
    this.actionFunctions = this.createActionFunctions();
    this.signers = this.createSigners();
    this.api = new UrlApi(this, "api", {
      apiName: this.name("api"),
      stageName: stage,
      place: this.place,
      signers: this.signers,
      actionFunctions: this.actionFunctions,
      rules: this.apiRules,
      throttlingRateLimit: config.throttlingRateLimit,
      throttlingBurstLimit: config.throttlingBurstLimit,
    });
    this.bucket = new PrivateBucket(this, "content", {
      bucketName: this.bucketName("content"),
      expirationDays: this.payloadExpirationDays,
      // A message names its payload's version, which may have been written over since.
      noncurrentDays: this.payloadExpirationDays,
      forceDestroy,
      accessLogs: this.accessLogs,
      statements: this.contentStatements(),
      corsRules: [this.formCorsRule()],
    });

    new TerraformOutput(this, "api_url", { value: this.api.url });
    new TerraformOutput(this, "bucket_name", { value: this.bucket.bucket.id });
  }

  /** A resource's name: every stage's begin with its own prefix. */
  protected name(resource: string): string {
    return `tweedle-${this.config.stage}-${resource}`;
  }

  /** A bucket's name, which nobody else in the world may have. */
  protected bucketName(bucket: string): string {
    return this.name(`${bucket}-${this.place.accountId}-${this.place.region}`);
  }

  /**
   * The names of the buckets whose access logs are kept. A stack that adds a bucket adds its name. It is asked while
   * this constructor runs, so an override may use {@link bucketName}, and no field of its own.
   */
  protected get loggedBuckets(): readonly string[] {
    return [this.bucketName("content")];
  }

  /**
   * Makes the functions that do what no URL can, by the names of their actions: here none, since there is but a bucket.
   * It is called while this constructor runs, so an override may use {@link name} and `place`, and no field of its own.
   */
  protected createActionFunctions(): Readonly<Record<string, BundledFunction>> {
    return {};
  }

  /** What functions whose callers are anybody have in common: the stage's cap, and the instances that are reserved. */
  protected get openFunctionProps() {
    const { maxObjectBytes, reservedConcurrentExecutions } = this.config;
    return {
      place: this.place,
      environment: {
        ...(maxObjectBytes !== undefined && { [VARIABLES.maxObjectBytes]: String(maxObjectBytes) }),
      },
      reservedConcurrentExecutions,
    };
  }

  protected get payloadExpirationDays(): number {
    return this.config.payloadExpirationDays ?? 30;
  }

  private get apiRules() {
    const roles: readonly Role[] = this.config.consumerAuthorization === "NONE" ? ROLES : ["producer"];
    const withoutUrl = Object.keys(this.actionFunctions);
    return { roles, maxObjectBytes: this.config.maxObjectBytes, withoutUrl };
  }

  private configureTerraform(): void {
    const { accountId, region, stage } = this.config;
    new AwsProvider(this, "aws", {
      region,
      allowedAccountIds: [accountId],
      defaultTags: [{ tags: { project: "tweedle", stage } }],
    });
    new S3Backend(this, {
      bucket: `tweedle-state-${accountId}-${region}`,
      key: `${this.node.id}.tfstate`,
      region,
      encrypt: true,
      // cdktf 0.21 does not know it yet: the lock is an object beside the state, without a DynamoDB table.
    }).addOverride("use_lockfile", true);
    this.addOverride("terraform.required_version", ">= 1.10.0");
    this.addOverride("terraform.required_providers.aws", PROVIDER);
  }

  /**
   * Functions are grouped by who may call them, so that no role holds what its callers may not ask for: one signer
   * where everybody may call everything, two where consumers sign.
   */
  private createSigners(): Record<Role, BundledFunction> {
    const { environment, ...common } = this.openFunctionProps;
    const code = bundleSigner(this.apiRules);
    const create = (id: string, roles: readonly Role[]) => {
      const signer = new BundledFunction(this, id, {
        ...common,
        functionName: this.name(id),
        bundle: code,
        environment: {
          [VARIABLES.bucketName]: this.bucketName("content"),
          [VARIABLES.roles]: roles.join(","),
          ...environment,
        },
      });
      signer.grant(
        "sign-urls",
        signerStatements(roles, bucketArn(this.bucketName("content")), this.place.accountId),
      );
      return signer;
    };
    if (this.config.consumerAuthorization === "NONE") {
      const signer = create("signer", ROLES);
      return { producer: signer, consumer: signer };
    }
    return {
      producer: create("producer-signer", ["producer"]),
      consumer: create("consumer-signer", ["consumer"]),
    };
  }

  private contentStatements(): Statement[] {
    const bucket = bucketArn(this.bucketName("content"));
    const deny = { Effect: "Deny", Principal: { AWS: "*" } } as const;
    return [
      {
        ...deny,
        Sid: "DenyOldSignatures",
        Action: "s3:*",
        Resource: [bucket, `${bucket}/*`],
        Condition: { NumericGreaterThan: { "s3:signatureAge": MAX_SIGNATURE_AGE } },
      },
      {
        ...deny,
        Sid: "DenyOtherAccounts",
        Action: "s3:PutObject",
        Resource: `${bucket}/*`,
        Condition: { StringNotEquals: { "aws:PrincipalAccount": this.place.accountId } },
      },
    ];
  }

  /**
   * What a page that the API itself serves may do in a browser: the producers' requests of the action table. No
   * other site's page may use what somebody uploads from his browser.
   */
  private formCorsRule() {
    const producers = Object.values(ACTIONS)
      .filter(hasUrl)
      .filter(({ role }) => role === "producer");
    const headers = producers.flatMap(({ fields }) => Object.values(fields).map(({ header }) => header));
    return {
      allowedOrigins: [`https://${this.api.restApi.id}.execute-api.${this.place.region}.amazonaws.com`],
      allowedMethods: [...new Set(producers.map(({ method }) => method))],
      allowedHeaders: [...new Set(headers.filter((header) => header !== undefined))].map((header) =>
        header.endsWith("-") ? `${header}*` : header,
      ),
      exposeHeaders: ["ETag"],
      maxAgeSeconds: 3000,
    };
  }
}
