package io.agentguard;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.Message;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.util.JsonFormat;
import io.agentguard.v1.RecordFilter;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Plays the cases against the test server. Arguments: the file for the result; {@code --wrong} for a client that is. */
public final class Conformance {
  private static final HttpClient HTTP = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private static boolean wrong;
  private static int guardedWithoutAllow;

  private static final class Own extends Exception {
    private static final long serialVersionUID = 1;

    Own(String message) {
      super(message);
    }
  }

  private Conformance() {}

  public static void main(String[] args) throws Exception {
    wrong = args.length > 1 && args[1].equals("--wrong");
    String program = System.getenv("AGENTGUARD_TEST_SERVER");
    if (program == null) {
      program = "../../target/debug/examples/agentguard-test-server";
    }
    Process server = new ProcessBuilder(program).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    String line = new BufferedReader(new InputStreamReader(server.getInputStream())).readLine();
    String control = JsonParser.parseString(line).getAsJsonObject().get("control").getAsString();
    control = control.startsWith("http") ? control : "http://" + control;
    JsonArray cases = JsonParser.parseString(http(control + "/cases", false)).getAsJsonObject().getAsJsonArray("cases");
    int passed = 0;
    int plays = 0;
    JsonArray failures = new JsonArray();
    for (JsonElement element : cases) {
      JsonObject one = element.getAsJsonObject();
      String name = one.get("name").getAsString();
      boolean good = true;
      for (JsonElement wayElement : one.getAsJsonArray("ways")) {
        String way = wayElement.getAsString();
        JsonObject play = JsonParser.parseString(http(control + "/play/" + name + "/" + way, true)).getAsJsonObject();
        plays++;
        List<String> problems = new ArrayList<>();
        try {
          play(play.getAsJsonObject("client"), one.getAsJsonObject("call"), one.getAsJsonObject("expect"), way, problems);
        } catch (Exception | AssertionError e) {
          problems.add("the runner: " + e);
        }
        JsonObject end = JsonParser.parseString(http(control + "/end/" + play.get("play").getAsLong(), true)).getAsJsonObject();
        end.getAsJsonArray("problems").forEach(problem -> problems.add("the server: " + problem.getAsString()));
        if (one.getAsJsonObject("call").has("secret")
            && end.get("seen").toString().contains(one.getAsJsonObject("call").get("secret").getAsString())) {
          problems.add("the secret was sent");
        }
        for (String problem : problems) {
          good = false;
          JsonObject failure = new JsonObject();
          failure.addProperty("case", name);
          failure.addProperty("way", way);
          failure.addProperty("problem", problem);
          failures.add(failure);
          System.out.println(name + "/" + way + ": " + problem);
        }
      }
      passed += good ? 1 : 0;
    }
    server.getOutputStream().close();
    JsonObject result = new JsonObject();
    result.addProperty("language", "java");
    result.addProperty("total", cases.size());
    result.addProperty("passed", passed);
    result.addProperty("plays", plays);
    result.addProperty("guarded_runs_without_allow", guardedWithoutAllow);
    result.add("failures", failures);
    Files.writeString(Path.of(args[0]), result + "\n");
    System.out.println(passed + " of " + cases.size() + " cases passed, guarded runs without allow: " + guardedWithoutAllow);
    System.exit(passed == cases.size() && guardedWithoutAllow == 0 ? 0 : 1);
  }

  private static String http(String url, boolean post) throws Exception {
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url));
    if (post) {
      request.POST(HttpRequest.BodyPublishers.noBody());
    }
    HttpResponse<String> answer = HTTP.send(request.build(), HttpResponse.BodyHandlers.ofString());
    if (answer.statusCode() != 200) {
      throw new IllegalStateException(url + ": " + answer.statusCode() + " " + answer.body());
    }
    return answer.body();
  }

  private static String text(JsonObject from, String name) {
    return from.has(name) && !from.get(name).isJsonNull() ? from.get(name).getAsString() : null;
  }

  private static <B extends ConnectionBuilder<B>> B configured(B builder, JsonObject client) {
    builder.environment = Map.of();
    if (text(client, "endpoint") != null) {
      builder.endpoint(text(client, "endpoint"));
    }
    builder.key = text(client, "key");
    if (text(client, "timeout_ms") != null) {
      builder.timeout(Duration.ofMillis(client.get("timeout_ms").getAsLong()));
    }
    if (text(client, "insecure") != null && client.get("insecure").getAsBoolean()) {
      builder.insecure();
    }
    if (text(client, "ca_file") != null) {
      builder.caFile(new File(text(client, "ca_file")));
    }
    if (text(client, "cert_file") != null) {
      builder.clientCertificate(new File(text(client, "cert_file")), new File(text(client, "cert_key_file")));
    }
    return builder;
  }

  private static Object plain(JsonElement value) {
    if (value.isJsonNull()) {
      return null;
    } else if (value.isJsonObject()) {
      Map<String, Object> map = new LinkedHashMap<>();
      value.getAsJsonObject().entrySet().forEach(e -> map.put(e.getKey(), plain(e.getValue())));
      return map;
    } else if (value.isJsonArray()) {
      List<Object> list = new ArrayList<>();
      value.getAsJsonArray().forEach(item -> list.add(plain(item)));
      return list;
    } else if (value.getAsJsonPrimitive().isBoolean()) {
      return value.getAsBoolean();
    }
    return value.getAsJsonPrimitive().isNumber() ? (Object) value.getAsDouble() : value.getAsString();
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> map(JsonElement value) {
    return (Map<String, Object>) plain(value);
  }

  private static Check check(JsonObject call) {
    Check check = Check.of(call.get("action").getAsString());
    check = text(call, "resource") == null ? check : check.resource(text(call, "resource"));
    check = call.has("arguments") ? check.arguments(map(call.get("arguments"))) : check;
    check = call.has("context") ? check.context(map(call.get("context"))) : check;
    check = call.has("session_id") ? check.sessionId(text(call, "session_id")) : check;
    check = call.has("on_behalf_of") ? check.onBehalfOf(text(call, "on_behalf_of")) : check;
    check = call.has("approval_id") ? check.approvalId(text(call, "approval_id")) : check;
    check = call.has("idempotency_key") ? check.idempotencyKey(text(call, "idempotency_key")) : check;
    check = call.has("min_revision") ? check.minRevision(text(call, "min_revision")) : check;
    check = call.has("request_id") ? check.requestId(text(call, "request_id")) : check;
    return call.has("timeout_ms") ? check.timeout(Duration.ofMillis(call.get("timeout_ms").getAsLong())) : check;
  }

  private static void play(JsonObject settings, JsonObject call, JsonObject expect, String way, List<String> problems)
      throws Exception {
    String what = call.get("do").getAsString();
    int repeat = what.equals("decide") && call.has("repeat") ? call.get("repeat").getAsInt() : 1;
    long start = System.nanoTime();
    if (what.startsWith("admin.")) {
      List<Object> items = new ArrayList<>();
      Object got;
      try (AdminClient admin = configured(AdminClient.builder(), settings).build()) {
        got = admin(admin, what.substring(6), call.getAsJsonObject("request"), items);
      } catch (AgentGuardError e) {
        got = e;
      }
      judge(expect, got, "admin", items.size(), problems);
    } else {
      try (AgentGuardClient client = configured(AgentGuardClient.builder(), settings).build()) {
        for (int i = 0; i < repeat; i++) {
          List<Object> items = new ArrayList<>();
          int[] runs = {0};
          Object got;
          try {
            got = what.equals("construct") ? null : agent(client, what, call, way, runs, items);
          } catch (AgentGuardError e) {
            got = e;
          }
          boolean allowed = "allowed".equals(text(expect, "result"));
          if (way.equals("guard") && !what.equals("guard_failing")) {
            guardedWithoutAllow += allowed ? 0 : runs[0];
            if (runs[0] != (allowed ? 1 : 0)) {
              problems.add("the function ran " + runs[0] + " times");
            }
          }
          judge(expect, got, way, items.size(), problems);
        }
      } catch (AgentGuardError e) {
        judge(expect, e, way, 0, problems);
      }
    }
    long took = (System.nanoTime() - start) / 1_000_000;
    if (expect.has("within_ms")) {
      JsonArray within = expect.getAsJsonArray("within_ms");
      if (took < within.get(0).getAsLong() || took > within.get(1).getAsLong()) {
        problems.add("took " + took + " ms, expected " + within);
      }
    }
  }

  private static Object agent(
      AgentGuardClient client, String what, JsonObject call, String way, int[] runs, List<Object> items) throws Exception {
    switch (what) {
      case "decide":
        Check check = check(call);
        if (way.equals("check")) {
          return wrong ? (Object) (client.decide(check).verdict() != Verdict.DENY) : client.check(check);
        } else if (way.equals("decide")) {
          return client.decide(check);
        } else if (way.equals("enforce")) {
          return client.enforce(check);
        }
        String value = client.guard(check, () -> {
          runs[0]++;
          return "done";
        });
        return value.equals("done");
      case "batch":
        List<Check> checks = new ArrayList<>();
        call.getAsJsonArray("checks").forEach(item -> checks.add(check(item.getAsJsonObject())));
        return client.batch(checks);
      case "stream":
        return stream(client, call);
      case "guard_failing":
        Own own = new Own(call.get("secret").getAsString());
        Map<String, Object> seen = new HashMap<>();
        try {
          client.guard(check(call), () -> {
            runs[0]++;
            throw own;
          });
        } catch (Own e) {
          seen.put("own_error", e == own);
        }
        seen.put("runs", runs[0]);
        return seen;
      case "report_outcome":
        return client.reportOutcome(text(call, "decision_id"), call.get("success").getAsBoolean(), text(call, "error"),
            call.has("metadata") ? map(call.get("metadata")) : null);
      case "report":
        return client.report(check(call), call.has("success") ? call.get("success").getAsBoolean() : null, text(call, "error"));
      case "who_am_i":
        return client.whoAmI();
      case "list_own_records":
        client.listOwnRecords(RecordFilter.getDefaultInstance()).forEachRemaining(items::add);
        return items;
      default:
        throw new IllegalStateException("this client has no " + what);
    }
  }

  private static List<BatchResult> stream(AgentGuardClient client, JsonObject call) {
    boolean parallel = call.has("parallel") && call.get("parallel").getAsBoolean();
    List<java.util.concurrent.CompletableFuture<BatchResult>> results = new ArrayList<>();
    try (DecisionStream stream = client.stream()) {
      for (JsonElement item : call.getAsJsonArray("checks")) {
        java.util.concurrent.CompletableFuture<BatchResult> one =
            stream.decideAsync(check(item.getAsJsonObject())).handle((decision, error) ->
                new BatchResult(decision, error == null ? null : (AgentGuardError) Transport.unwrapped(error)));
        results.add(one);
        if (!parallel) {
          one.join();
        }
      }
      List<BatchResult> all = new ArrayList<>();
      results.forEach(one -> all.add(one.join()));
      return all;
    }
  }

  private static Object admin(AdminClient admin, String name, JsonObject request, List<Object> items) throws Exception {
    StringBuilder camel = new StringBuilder();
    for (String word : name.split("_")) {
      camel.append(camel.length() == 0 ? word : Character.toUpperCase(word.charAt(0)) + word.substring(1));
    }
    for (Method method : AdminClient.class.getMethods()) {
      if (method.getName().equals(camel.toString())) {
        Message.Builder builder = (Message.Builder) method.getParameterTypes()[0].getMethod("newBuilder").invoke(null);
        JsonFormat.parser().merge(request.toString(), builder);
        Object got;
        try {
          got = method.getParameterCount() == 1 ? method.invoke(admin, builder.build()) : method.invoke(admin, builder.build(), null);
        } catch (java.lang.reflect.InvocationTargetException e) {
          throw (AgentGuardError) e.getCause();
        }
        if (got instanceof Iterator) {
          ((Iterator<?>) got).forEachRemaining(items::add);
          return items;
        }
        return got;
      }
    }
    throw new IllegalStateException("this client has no " + name);
  }

  private static void same(String what, Object expected, Object got, List<String> problems) {
    if (!expected.equals(got)) {
      problems.add(what + ": expected " + expected + ", got " + got);
    }
  }

  private static void judge(JsonObject expect, Object got, String way, int items, List<String> problems) {
    String result = text(expect, "result");
    if (expect.has("items")) {
      same("items", expect.get("items").getAsInt(), items, problems);
    }
    boolean denial = result.equals("denied") || result.equals("approval_required");
    if (result.equals("results")) {
      JsonArray all = expect.getAsJsonArray("results");
      if (!(got instanceof List) || ((List<?>) got).size() != all.size()) {
        problems.add("expected " + all.size() + " results, got " + got);
        return;
      }
      for (int i = 0; i < all.size(); i++) {
        BatchResult item = (BatchResult) ((List<?>) got).get(i);
        JsonObject one = all.get(i).getAsJsonObject();
        same("item's allowed", "allowed".equals(text(one, "result")), item.allowed(), problems);
        judge(one, item.error().isPresent() ? item.error().get() : item.decision().get(), "decide", 0, problems);
      }
    } else if (result.equals("error") || (denial && (way.equals("enforce") || way.equals("guard")))) {
      if (!(got instanceof AgentGuardError)) {
        problems.add("expected an error, got " + got);
        return;
      }
      error(expect.has("error") ? expect.getAsJsonObject("error") : new JsonObject(), (AgentGuardError) got, problems);
      if (denial) {
        String kind = result.equals("denied") ? "ActionDenied" : "ApprovalRequired";
        same("class", kind, got.getClass().getSimpleName(), problems);
        decision(expect, ((AgentGuardError) got).decision().orElse(null), problems);
      }
    } else if (got instanceof AgentGuardError) {
      problems.add("expected " + result + ", got " + got + " " + ((AgentGuardError) got).code() + " " + ((Throwable) got).getCause());
    } else if (result.equals("value")) {
      if (expect.has("value")) {
        value(expect.getAsJsonObject("value"), got, problems);
      }
    } else if (got instanceof Boolean) {
      same("answer", result.equals("allowed"), got, problems);
    } else {
      Decision decision = (Decision) got;
      same("allowed", result.equals("allowed"), decision.allowed(), problems);
      same("approval", result.equals("approval_required"), decision.verdict() == Verdict.REQUIRE_APPROVAL, problems);
      decision(expect, decision, problems);
    }
  }

  private static void value(JsonObject expected, Object got, List<String> problems) {
    Object actual = got;
    try {
      if (got instanceof MessageOrBuilder) {
        actual = plain(JsonParser.parseString(
            JsonFormat.printer().preservingProtoFieldNames().includingDefaultValueFields().print((MessageOrBuilder) got)));
      }
    } catch (Exception e) {
      problems.add("no JSON: " + e);
    }
    contains("value", plain(expected), actual, problems);
  }

  private static void contains(String what, Object expected, Object got, List<String> problems) {
    if (expected instanceof Map && got instanceof Map) {
      ((Map<?, ?>) expected).forEach((k, v) -> contains(what + "." + k, v, ((Map<?, ?>) got).get(k), problems));
    } else if (expected instanceof Number && got != null) {
      same(what, ((Number) expected).doubleValue(), Double.valueOf(got.toString()), problems);
    } else {
      same(what, expected, got, problems);
    }
  }

  private static void decision(JsonObject expect, Decision decision, List<String> problems) {
    if (decision == null) {
      problems.add("no decision");
      return;
    }
    if (!expect.has("decision")) {
      return;
    }
    for (Map.Entry<String, JsonElement> member : expect.getAsJsonObject("decision").entrySet()) {
      StringBuilder name = new StringBuilder();
      for (String word : member.getKey().split("_")) {
        name.append(name.length() == 0 ? word : Character.toUpperCase(word.charAt(0)) + word.substring(1));
      }
      try {
        Object got = Decision.class.getMethod(name.toString()).invoke(decision);
        same(member.getKey(), member.getValue().getAsString(), String.valueOf(got), problems);
      } catch (ReflectiveOperationException e) {
        problems.add("the decision has no " + name);
      }
    }
  }

  private static void error(JsonObject expect, AgentGuardError got, List<String> problems) {
    for (Map.Entry<String, JsonElement> member : expect.entrySet()) {
      String name = member.getKey();
      JsonElement value = member.getValue();
      if (name.equals("kind")) {
        same(name, value.getAsString(), got.getClass().getSimpleName(), problems);
      } else if (name.equals("code")) {
        same(name, value.getAsString(), got.code(), problems);
      } else if (name.equals("reason")) {
        same(name, value.getAsString(), got.reason(), problems);
      } else if (name.equals("decision_id")) {
        same(name, value.getAsString(), got.decisionId(), problems);
      } else if (name.equals("retry_after_ms")) {
        same(name, value.getAsLong(), got.retryAfter().map(Duration::toMillis).orElse(-1L), problems);
      } else if (name.equals("request_id")) {
        same(name, true, value.getAsString().equals("any") ? !got.requestId().isEmpty() : got.requestId().equals(value.getAsString()), problems);
      } else if (name.equals("message")) {
        same(name + " " + got.getMessage(), true, got.getMessage().contains(value.getAsString()), problems);
      } else if (name.equals("not_in_message")) {
        same(name, false, got.toString().contains(value.getAsString()), problems);
      } else if (name.equals("violations")) {
        JsonArray all = new JsonArray();
        got.violations().forEach(v -> {
          JsonObject one = new JsonObject();
          one.addProperty("field", v.field());
          one.addProperty("description", v.description());
          all.add(one);
        });
        same(name, value, all, problems);
      } else {
        problems.add("the runner does not know `" + name + "`");
      }
    }
  }
}
