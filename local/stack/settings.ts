import type { Resource } from "./references";

/**
 * What the local chain makes of each resource's settings. It honours some; the others (`atAws`) have no meaning on
 * one machine: encryption at rest, retention, lifecycle, cost, names of things that only AWS has. A resource or a
 * setting that is not here stops the chain: what it cannot honour it must not pretend to.
 */
const SETTINGS: Readonly<Record<string, { honoured: readonly string[]; atAws: readonly string[] }>> = {
  aws_s3_bucket: { honoured: ["bucket"], atAws: ["force_destroy"] },
  aws_s3_bucket_public_access_block: {
    honoured: [
      "bucket",
      "block_public_acls",
      "block_public_policy",
      "ignore_public_acls",
      "restrict_public_buckets",
    ],
    atAws: [],
  },
  aws_s3_bucket_ownership_controls: { honoured: [], atAws: ["bucket", "rule"] },
  aws_s3_bucket_server_side_encryption_configuration: { honoured: [], atAws: ["bucket", "rule"] },
  aws_s3_bucket_versioning: { honoured: ["bucket", "versioning_configuration"], atAws: [] },
  aws_s3_bucket_policy: { honoured: ["bucket", "policy"], atAws: [] },
  aws_s3_bucket_lifecycle_configuration: { honoured: [], atAws: ["bucket", "rule"] },
  aws_s3_bucket_cors_configuration: { honoured: ["bucket", "cors_rule"], atAws: [] },
  aws_s3_bucket_logging: { honoured: [], atAws: ["bucket", "target_bucket", "target_prefix"] },
  aws_s3_bucket_notification: { honoured: ["bucket", "queue", "eventbridge"], atAws: [] },
  aws_cloudwatch_event_rule: { honoured: ["name", "event_pattern"], atAws: ["description"] },
  aws_cloudwatch_event_target: {
    honoured: ["rule", "target_id", "arn", "dead_letter_config"],
    atAws: ["retry_policy"],
  },
  aws_cloudtrail: {
    honoured: [],
    atAws: [
      "name",
      "s3_bucket_name",
      "enable_log_file_validation",
      "include_global_service_events",
      "event_selector",
    ],
  },
  aws_sqs_queue: {
    honoured: [
      "name",
      "visibility_timeout_seconds",
      "message_retention_seconds",
      "receive_wait_time_seconds",
      "redrive_policy",
      "redrive_allow_policy",
      "policy",
    ],
    atAws: ["sqs_managed_sse_enabled", "kms_master_key_id"],
  },
  aws_iam_role: { honoured: ["name"], atAws: ["assume_role_policy", "permissions_boundary"] },
  aws_iam_role_policy: { honoured: ["role", "policy"], atAws: ["name"] },
  aws_cloudwatch_log_group: { honoured: [], atAws: ["name", "retention_in_days"] },
  aws_lambda_function: {
    honoured: [
      "function_name",
      "role",
      "runtime",
      "handler",
      "filename",
      "source_code_hash",
      "timeout",
      "environment",
    ],
    atAws: ["architectures", "memory_size", "reserved_concurrent_executions"],
  },
  aws_lambda_event_source_mapping: {
    honoured: ["event_source_arn", "function_name", "batch_size", "function_response_types"],
    atAws: [],
  },
  aws_lambda_permission: {
    honoured: ["action", "function_name", "principal", "source_arn"],
    atAws: ["statement_id"],
  },
  // To watch is to count what CloudWatch counts.
  aws_cloudwatch_metric_alarm: {
    honoured: [],
    atAws: [
      "alarm_name",
      "alarm_description",
      "namespace",
      "metric_name",
      "dimensions",
      "statistic",
      "comparison_operator",
      "threshold",
      "period",
      "evaluation_periods",
      "treat_missing_data",
      "alarm_actions",
      "ok_actions",
    ],
  },
  aws_cloudwatch_dashboard: { honoured: [], atAws: ["dashboard_name", "dashboard_body"] },
  aws_sns_topic: { honoured: [], atAws: ["name", "kms_master_key_id", "policy"] },
  aws_sns_topic_subscription: { honoured: [], atAws: ["topic_arn", "protocol", "endpoint"] },
  aws_kms_key: {
    honoured: [],
    atAws: ["description", "enable_key_rotation", "deletion_window_in_days", "policy"],
  },
  aws_kms_alias: { honoured: [], atAws: ["name", "target_key_id"] },
  aws_api_gateway_rest_api: {
    honoured: ["body", "minimum_compression_size"],
    atAws: ["name", "description", "endpoint_configuration"],
  },
  aws_api_gateway_deployment: { honoured: ["rest_api_id"], atAws: ["triggers"] },
  aws_api_gateway_stage: {
    honoured: ["rest_api_id", "deployment_id", "stage_name"],
    atAws: ["access_log_settings"],
  },
  aws_api_gateway_api_key: { honoured: ["name"], atAws: [] },
  aws_api_gateway_usage_plan: { honoured: ["throttle_settings"], atAws: ["name", "api_stages"] },
  aws_api_gateway_usage_plan_key: { honoured: ["key_id"], atAws: ["key_type", "usage_plan_id"] },
  // Who is on this machine has one address.
  aws_wafv2_web_acl: {
    honoured: [],
    atAws: ["name", "scope", "default_action", "rule", "visibility_config"],
  },
  aws_wafv2_web_acl_logging_configuration: {
    honoured: [],
    atAws: ["resource_arn", "log_destination_configs", "logging_filter", "redacted_fields"],
  },
  aws_wafv2_web_acl_association: { honoured: [], atAws: ["resource_arn", "web_acl_arn"] },
  aws_api_gateway_method_settings: {
    honoured: ["rest_api_id", "stage_name", "method_path", "settings"],
    atAws: [],
  },
};

/** What belongs to Terraform and not to a resource. */
const META = ["//", "depends_on", "lifecycle", "provider"];

/**
 * @throws Error that names the resource and the setting that the local chain does not know
 */
export function assertSupported({ type, address, settings }: Resource): void {
  const known = SETTINGS[type];
  if (!known) throw new Error(`The local chain does not know ${type} (${address}).`);
  for (const setting of Object.keys(settings)) {
    if (![...META, ...known.honoured, ...known.atAws].includes(setting)) {
      throw new Error(`The local chain does not know the setting ${setting} of ${address}.`);
    }
  }
}
