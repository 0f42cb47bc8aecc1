import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { Aspects, TerraformOutput } from "cdktf";
import type { Construct, IConstruct } from "constructs";
import { ACTIONS, ROLES, type Role, hasUrl } from "../functions/sign-url/actions";
import { LAYOUT_METADATA } from "../client/produce/layout";
import { VARIABLES } from "../functions/sign-url/environment";
import { KEY_PREFIX } from "../functions/sign-url/keys";
import type { Security } from "../functions/sign-url/openapi";
import { VARIABLES as FORM_VARIABLES } from "../functions/upload-form/environment";
import { type Place, bucketArn } from "./arns";
import { AccessLogBucket } from "./constructs/access-log-bucket";
import { ApiKeys } from "./constructs/api-keys";
import { BundledFunction } from "./constructs/bundled-function";
import { EncryptionKey } from "./constructs/encryption-key";
import { PrivateBucket } from "./constructs/private-bucket";
import { UrlApi } from "./constructs/url-api";
import { WebAcl } from "./constructs/web-acl";
import { MAX_SIGNATURE_AGE, type Statement, policyJson, signerStatements } from "./policy";
import { bundleForm } from "./form";
import { bundleSigner } from "./signer";
import { type StageConfig, hasUploadForm, validateStage } from "./stage";
import { PlacedStack } from "./terraform";

type Deny = Pick<Statement, "Principal"> & { readonly Effect: "Deny" };

/**
 * Uploads without credentials: an API that answers pre-signed URLs, the function that signs them, and the bucket
 * that they lead to.
 */
export class UploadFormStack extends PlacedStack {
  /** Where payloads live, under input/. */
  readonly bucket: PrivateBucket;
  /** Where the other buckets' access logs go. */
  readonly accessLogs: AccessLogBucket;
  readonly api: UrlApi;
  /** What payloads are encrypted with, where the stage has a key of its own. */
  readonly key: EncryptionKey | undefined;
  /** The function that signs for each role: one for both, where the callers of both are let in alike. */
  readonly signers: Readonly<Record<Role, BundledFunction>>;
  /** The function of each action that has no URL, by the action's name. */
  readonly actionFunctions: Readonly<Record<string, BundledFunction>>;
  /** The function that answers GET / with a page for people; undefined where the stage has none. */
  readonly form: BundledFunction | undefined;
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
    this.configureTerraform(this.place, { stage });

    this.accessLogs = new AccessLogBucket(this, "access-logs", {
      bucketName: this.bucketName("access-logs"),
      accountId,
      sources: this.loggedBuckets,
      forceDestroy,
    });
    this.key = config.customerManagedKey
      ? new EncryptionKey(this, "key", {
          keyName: this.name("key"),
          description: "Payloads, and the messages that announce or carry them.",
          place: this.place,
          services: this.keyServices,
          preventDestroy: !forceDestroy,
        })
      : undefined;
    this.actionFunctions = this.createActionFunctions();
    this.signers = this.createSigners();
    this.form = hasUploadForm(config) ? this.createForm() : undefined;
    this.api = new UrlApi(this, "api", {
      apiName: this.name("api"),
      stageName: stage,
      place: this.place,
      signers: this.signers,
      actionFunctions: this.actionFunctions,
      form: this.form,
      rules: this.apiRules,
      logs: config.apiLogs,
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
      key: this.key,
      statements: this.contentStatements(),
      ...(this.form && { corsRules: [this.formCorsRule()] }),
    });

    this.guardApi();
    this.boundRoles();
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
   * The AWS services that use the stage's key by themselves: here none. It is asked while this constructor runs, as
   * {@link loggedBuckets} is.
   */
  protected get keyServices(): readonly string[] {
    return [];
  }

  /**
   * Makes the functions that do what no URL can, by the names of their actions: here none, since there is but a bucket.
   * It is called while this constructor runs, so an override may use {@link name} and `place`, and no field of its own.
   */
  protected createActionFunctions(): Readonly<Record<string, BundledFunction>> {
    return {};
  }

  /** What functions whose callers are anybody have in common: what the stage takes, and the instances that are reserved. */
  protected get openFunctionProps() {
    const { maxObjectBytes, contentTypes, reservedConcurrentExecutions } = this.config;
    return {
      place: this.place,
      environment: {
        ...(maxObjectBytes !== undefined && { [VARIABLES.maxObjectBytes]: String(maxObjectBytes) }),
        ...(contentTypes && { [VARIABLES.contentTypes]: contentTypes.join(",") }),
      },
      reservedConcurrentExecutions,
    };
  }

  protected get payloadExpirationDays(): number {
    return this.config.payloadExpirationDays ?? 30;
  }

  private get apiRules() {
    const { producerAuthorization, producerApiKeys, consumerAuthorization } = this.config;
    const sigv4 = (authorization: string | undefined) =>
      authorization === "AWS_IAM" ? ("sigv4" as const) : undefined;
    const security: Readonly<Record<Role, Security>> = {
      producer: producerApiKeys ? "api_key" : sigv4(producerAuthorization),
      consumer: sigv4(consumerAuthorization),
    };
    // Even where both sign: who may ask POST / could ask it for everything that it serves.
    const roles: readonly Role[] = (security.producer ?? security.consumer) ? ["producer"] : ROLES;
    const withoutUrl = Object.keys(this.actionFunctions);
    const { maxObjectBytes, denyOverwrites = false, contentTypes } = this.config;
    const uploadForm = hasUploadForm(this.config);
    return { roles, security, maxObjectBytes, denyOverwrites, contentTypes, withoutUrl, uploadForm };
  }

  /** What the stage's API has before it, or asks for, beside what its definition says. */
  private guardApi(): void {
    const { wafRateLimit, producerApiKeys, throttlingRateLimit, throttlingBurstLimit } = this.config;
    if (wafRateLimit !== undefined) {
      new WebAcl(this, "web-acl", {
        webAclName: this.name("web-acl"),
        api: this.api,
        rateLimit: wafRateLimit,
      });
    }
    if (producerApiKeys) {
      const { keys } = new ApiKeys(this, "api-keys", {
        planName: this.name("producers"),
        api: this.api,
        holders: producerApiKeys,
        throttlingRateLimit,
        throttlingBurstLimit,
      });
      const ids = Object.fromEntries(Object.entries(keys).map(([holder, { id }]) => [holder, id]));
      new TerraformOutput(this, "producer_api_key_ids", { value: ids });
    }
    if (this.config.producerAuthorization === "AWS_IAM") {
      const actions = this.api.actions.filter((action) => ACTIONS[action]?.role === "producer");
      const policy = policyJson([this.api.invokeActionsStatement(["", ...actions])]);
      new TerraformOutput(this, "producer_policy_json", { value: policy });
    }
  }

  /** Roles that a stack adds later are bound too. */
  private boundRoles(): void {
    const { permissionsBoundary } = this.config;
    if (permissionsBoundary === undefined) return;
    Aspects.of(this).add({
      visit(node: IConstruct) {
        if (node instanceof IamRole) node.permissionsBoundary = permissionsBoundary;
      },
    });
  }

  /**
   * Functions are grouped by who may call them, so that no role holds what its callers may not ask for: one signer
   * where everybody may call everything, otherwise two.
   */
  private createSigners(): Record<Role, BundledFunction> {
    const { environment, ...common } = this.openFunctionProps;
    const rules = this.apiRules;
    const code = bundleSigner(rules);
    const create = (id: string, roles: readonly Role[]) => {
      const signer = new BundledFunction(this, id, {
        ...common,
        functionName: this.name(id),
        bundle: code,
        environment: {
          [VARIABLES.bucketName]: this.bucketName("content"),
          [VARIABLES.roles]: roles.join(","),
          ...(rules.denyOverwrites && { [VARIABLES.denyOverwrites]: "true" }),
          ...environment,
        },
      });
      signer.grant(
        "sign-urls",
        signerStatements(roles, bucketArn(this.bucketName("content")), this.place.accountId),
      );
      // S3 decrypts what a multipart upload has so far: who puts needs both.
      const use = roles.includes("producer") ? "encrypt" : "decrypt";
      if (this.key) signer.grant("use-key", [this.key.useStatement(use, ["s3"])]);
      return signer;
    };
    if (rules.roles.includes("consumer")) {
      const signer = create("signer", ROLES);
      return { producer: signer, consumer: signer };
    }
    return {
      producer: create("producer-signer", ["producer"]),
      consumer: create("consumer-signer", ["consumer"]),
    };
  }

  /** A page's server signs nothing: its role may write its log. */
  private createForm(): BundledFunction {
    const { environment: _, ...common } = this.openFunctionProps;
    const {
      stage,
      uploadFormTitle: title = `Send files to ${stage}`,
      maxObjectBytes,
      contentTypes,
    } = this.config;
    return new BundledFunction(this, "form", {
      ...common,
      functionName: this.name("form"),
      bundle: bundleForm({ title, maxObjectBytes, contentTypes }),
      environment: { [FORM_VARIABLES.bucketName]: this.bucketName("content") },
    });
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
      ...this.overwriteStatements(deny, `${bucket}/${KEY_PREFIX}*`),
      ...this.fenceStatements(deny, `${bucket}/${KEY_PREFIX}*`),
    ];
  }

  /**
   * An upload in parts begins, and goes on, without the condition: its completion has it.
   *
   * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
   */
  private overwriteStatements(deny: Deny, Resource: string): Statement[] {
    if (!this.config.denyOverwrites) return [];
    const Condition = {
      Null: { "s3:if-none-match": "true" },
      Bool: { "s3:ObjectCreationOperation": "true" },
    };
    return [{ ...deny, Sid: "DenyOverwrites", Action: "s3:PutObject", Resource, Condition }];
  }

  /**
   * Payloads only, and only what URLs are for: Terraform and an operator reach the bucket from anywhere. A request through
   * an endpoint has no public address, and one from outside no endpoint: it is refused that has neither of those listed.
   *
   * https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_data-perimeters.html
   */
  private fenceStatements(deny: Deny, Resource: string): Statement[] {
    const { sourceIps, sourceVpces } = this.config;
    if (!sourceIps && !sourceVpces) return [];
    const urls = Object.values(ACTIONS).filter(hasUrl);
    return [
      {
        ...deny,
        Sid: "DenyOtherNetworks",
        Action: [...new Set(urls.flatMap(({ iamActions }) => iamActions))],
        Resource,
        Condition: {
          ...(sourceIps && { NotIpAddress: { "aws:SourceIp": [...sourceIps] } }),
          ...(sourceVpces && { StringNotEquals: { "aws:SourceVpce": [...sourceVpces] } }),
          Bool: { "aws:ViaAWSService": "false" },
        },
      },
    ];
  }

  /**
   * What the upload form, which the API itself serves, may do in a browser: the producers' requests of the action table,
   * with the headers that a page can set. No other site's page may use what somebody uploads from his browser.
   */
  private formCorsRule() {
    const producers = Object.values(ACTIONS)
      .filter(hasUrl)
      .filter(({ role }) => role === "producer");
    const headers = producers.flatMap(({ fields }) => Object.values(fields).map(({ header }) => header));
    return {
      allowedOrigins: [`https://${this.api.restApi.id}.execute-api.${this.place.region}.amazonaws.com`],
      allowedMethods: [...new Set(producers.map(({ method }) => method))],
      allowedHeaders: [...new Set(headers.filter((header) => header !== undefined))]
        // A browser says the length by itself: https://fetch.spec.whatwg.org/#forbidden-request-header
        .filter((header) => header !== "content-length")
        .map((header) => (header.endsWith("-") ? `${header}${LAYOUT_METADATA}` : header)),
      exposeHeaders: ["ETag"],
      maxAgeSeconds: 3000,
    };
  }
}
