package io.agentguard;

import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;

/** How a client is made; what is not given comes from the environment. */
public abstract class ConnectionBuilder<B extends ConnectionBuilder<B>> {
  Map<String, String> environment = System.getenv();
  String endpoint;
  String key;
  Duration timeout;
  boolean insecure;
  File caFile;
  byte[] caBytes;
  File certFile;
  File certKeyFile;

  ConnectionBuilder() {}

  abstract B self();

  /** {@code https://host[:port]}, {@code http://host[:port]}, {@code host:port} or {@code dns:///host:port}. */
  public B endpoint(String endpoint) {
    this.endpoint = endpoint;
    return self();
  }

  /** For each call, all tries together. */
  public B timeout(Duration timeout) {
    this.timeout = timeout;
    return self();
  }

  /** Sends the key in plain text to another host. */
  public B insecure() {
    this.insecure = true;
    return self();
  }

  /** PEM file of the certificates to trust, instead of the system's. */
  public B caFile(File file) {
    this.caFile = file;
    return self();
  }

  /** PEM of the certificates to trust, instead of the system's. */
  public B ca(byte[] pem) {
    this.caBytes = pem.clone();
    return self();
  }

  /** The client's own certificate and its key, PEM. */
  public B clientCertificate(File certificate, File key) {
    this.certFile = certificate;
    this.certKeyFile = key;
    return self();
  }

  private String variable(String name) {
    String value = environment.get(name);
    return value == null || value.isEmpty() ? null : value;
  }

  private File file(File given, String name) {
    return given != null || variable(name) == null ? given : new File(variable(name));
  }

  /** Host, port and whether TLS, after all checks. */
  static final class Target {
    String host;
    int port;
    boolean tls;
  }

  Target resolve(String keyName) {
    if (endpoint == null) {
      endpoint = variable("AGENTGUARD_ENDPOINT");
    }
    Target target = parse(endpoint == null ? "http://127.0.0.1:8000" : endpoint);
    if (key == null) {
      key = variable(keyName);
    }
    String fromFile = variable(keyName + "_FILE");
    if (key == null && fromFile != null) {
      try {
        key = Files.readString(Path.of(fromFile)).strip();
      } catch (IOException | RuntimeException e) {
        throw Errors.invalid("the file named by " + keyName + "_FILE cannot be read");
      }
    }
    if (key == null || key.isEmpty()) {
      throw Errors.invalid("no key: give one, or set " + keyName + " or " + keyName + "_FILE");
    }
    if (!key.chars().allMatch(c -> c > 0x20 && c < 0x7f)) {
      throw Errors.invalid("the key must be visible ASCII characters, without spaces");
    }
    if (timeout != null && (timeout.isNegative() || timeout.isZero())) {
      throw Errors.invalid("the timeout must be more than nothing");
    }
    caFile = file(caFile, "AGENTGUARD_CA_FILE");
    certFile = file(certFile, "AGENTGUARD_CLIENT_CERT_FILE");
    certKeyFile = file(certKeyFile, "AGENTGUARD_CLIENT_KEY_FILE");
    if ((certFile == null) != (certKeyFile == null)) {
      throw Errors.invalid("give the client's certificate and its key, or neither");
    }
    if (!target.tls && !insecure && !loopback(target.host)) {
      throw Errors.invalid("a key is not sent in plain text to another host: use https, or say insecure");
    }
    return target;
  }

  private static Target parse(String endpoint) {
    String rest = endpoint;
    String scheme = "";
    for (String known : new String[] {"https://", "http://", "dns:///"}) {
      if (endpoint.toLowerCase(Locale.ROOT).startsWith(known)) {
        scheme = known;
        rest = endpoint.substring(known.length());
        break;
      }
    }
    if (scheme.startsWith("http") && rest.endsWith("/")) {
      rest = rest.substring(0, rest.length() - 1);
    }
    Target target = new Target();
    try {
      URI uri = new URI("x://" + rest);
      String host = uri.getHost();
      if (host == null || uri.getUserInfo() != null || uri.getRawQuery() != null || uri.getRawFragment() != null
          || (uri.getRawPath() != null && !uri.getRawPath().isEmpty()) || rest.endsWith(":")) {
        throw new IllegalArgumentException();
      }
      target.host = host.startsWith("[") ? host.substring(1, host.length() - 1) : host;
      target.port = uri.getPort();
    } catch (java.net.URISyntaxException | IllegalArgumentException e) {
      throw Errors.invalid("the endpoint must be https://host[:port], http://host[:port], host:port or dns:///host:port");
    }
    boolean bare = !scheme.startsWith("http");
    if (target.port == 0 || target.port > 65535 || (bare && target.port < 0)) {
      throw Errors.invalid("the endpoint needs a port from 1 to 65535");
    }
    target.tls = bare ? !loopback(target.host) : scheme.equals("https://");
    if (target.port < 0) {
      target.port = target.tls ? 443 : 80;
    }
    return target;
  }

  private static boolean loopback(String host) {
    return host.equals("localhost") || host.equals("::1") || host.matches("127(\\.\\d{1,3}){3}");
  }
}
