// The SDK tells every process on Node 20 when its support ends; a test run would say so once a file.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";
// A proxy of the machine that runs the tests cannot reach their servers.
for (const name of ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]) {
  delete process.env[name];
  delete process.env[name.toUpperCase()];
}
