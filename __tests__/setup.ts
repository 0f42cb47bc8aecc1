// The SDK tells every process on Node 20 when its support ends; a test run would say so once a file.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";
