import { containerProxies, proxyNotice } from "../../lib/proxies";

test("containers get the proxies of the deployer that are set, whatever they hold", () => {
  const environment = { HTTPS_PROXY: "http://me:secret@proxy:3128", http_proxy: "", NO_PROXY: "localhost,127.0.0.1" };
  expect(containerProxies({ ...environment, PATH: "/bin" })).toEqual({
    HTTPS_PROXY: "http://me:secret@proxy:3128",
    NO_PROXY: "localhost,127.0.0.1",
  });
  expect(proxyNotice(environment)).toBeUndefined();
});

test.each(["http://127.0.0.1:3128", "localhost:3128", "http://me:secret@localhost", "socks5://[::1]:1080"])(
  "a proxy at %s is not for containers, and the deployer is told without its password",
  (address) => {
    expect(containerProxies({ HTTPS_PROXY: address })).toEqual({});
    expect(proxyNotice({ HTTPS_PROXY: address })).toMatch(/^HTTPS_PROXY: the proxy is on this machine's loopback/);
    expect(proxyNotice({ HTTPS_PROXY: address })).not.toContain("secret");
  },
);

test("a host whose name only begins like the loopback's is another one", () => {
  expect(containerProxies({ HTTPS_PROXY: "http://localhost.example:3128" })).toHaveProperty("HTTPS_PROXY");
  expect(proxyNotice({})).toBeUndefined();
});
