/** What a plan does to a resource, in the order in which a person should hear of it. */
export const ACTIONS = {
  destroy: { says: "to destroy", sign: "-", grave: true },
  replace: { says: "to replace", sign: "-/+", grave: true },
  /** Terraform lets go of it, and it stays. */
  forget: { says: "to forget", sign: ".", grave: true },
  update: { says: "to update", sign: "~", grave: false },
  create: { says: "to create", sign: "+", grave: false },
  move: { says: "to move", sign: ">", grave: false },
  import: { says: "to import", sign: "<", grave: false },
  /** A data source, while Terraform applies. */
  read: { says: "to read", sign: "<=", grave: false },
} as const;

export type Action = keyof typeof ACTIONS;

export const ACTION_NAMES = Object.keys(ACTIONS) as readonly Action[];

/**
 * Terraform's own reasons, and OpenTofu's, as sentences.
 *
 * https://developer.hashicorp.com/terraform/internals/json-format#plan-representation
 * https://opentofu.org/docs/internals/json-format/
 */
export const REASONS = {
  replace_because_tainted: "it was left half made",
  replace_because_cannot_update: "it cannot be changed in place",
  replace_by_request: "somebody asked for it with -replace",
  replace_by_triggers: "what it is tied to by replace_triggered_by changes",
  delete_because_no_resource_config: "it is no longer in the code",
  delete_because_no_module: "its module is no longer in the code",
  delete_because_wrong_repetition: "it is no longer, or newly, repeated",
  delete_because_count_index: "its index is beyond count",
  delete_because_each_key: "its key is no longer in for_each",
  delete_because_no_move_target: "what it was moved to is not in the code",
  delete_because_enabled_false: "its enabled is false",
  forgot_because_lifecycle_destroy_in_config: "its lifecycle says destroy = false",
  forgot_because_lifecycle_destroy_in_state: "its lifecycle said destroy = false",
  read_because_config_unknown: "its settings are not known before",
  read_because_dependency_pending: "what it depends on changes",
  read_because_check_nested: "a check block reads it",
} as const;

export type Reason = keyof typeof REASONS;

/** Types that hold what cannot be made again, and what is lost with one. */
export const HOLDS_DATA: Readonly<Record<string, string>> = {
  aws_s3_bucket: "every object in it goes with it",
  aws_sqs_queue: "every message in it goes with it",
  aws_cloudtrail: "nothing is recorded from then on",
  aws_kms_key: "nothing that it encrypted can be read again",
  aws_kms_replica_key: "nothing that it encrypted can be read again",
  aws_cloudwatch_log_group: "its logs go with it",
  aws_dynamodb_table: "every item in it goes with it",
  aws_db_instance: "its data goes with it",
  aws_rds_cluster: "its data goes with it",
  aws_efs_file_system: "every file in it goes with it",
  aws_ebs_volume: "its data goes with it",
  aws_secretsmanager_secret: "its secret goes with it",
};
