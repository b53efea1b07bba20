// Reads every event from Kafka, and rings for blacklisted people, with kafka-clients and Jackson (Java 17 or later).
//
//     mvn -q dependency:copy-dependencies -DoutputDirectory=libs && java -cp 'libs/*' Events.java 127.0.0.1:9092
import com.fasterxml.jackson.databind.*;
import java.net.URI;
import java.net.http.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;

class Events {
    static final HttpClient http = HttpClient.newHttpClient();
    static final Map<String, Boolean> seen = new LinkedHashMap<>() { // id and revision of the last 10,000 events
        protected boolean removeEldestEntry(Map.Entry<String, Boolean> eldest) { return size() > 10_000; }
    };

    // The one rule: no act_before, or past it: do not open, do not ring.
    static boolean mayAct(JsonNode event) {
        return event.hasNonNull("act_before") && Instant.now().isBefore(Instant.parse(event.get("act_before").asText()));
    }

    static void show(JsonNode event, int tries) { // Never in the way of an event.
        var pictures = event.get("pictures");
        var url = (pictures.hasNonNull("face") ? pictures.get("face") : pictures.get("scene")).path("url");
        if (!url.isTextual() || tries == 0) return;
        var request = HttpRequest.newBuilder(URI.create(url.asText())).timeout(Duration.ofSeconds(5)).build();
        http.sendAsync(request, HttpResponse.BodyHandlers.ofByteArray()).whenComplete((answer, error) -> {
            if (error == null && answer.statusCode() == 200)
                System.out.println("picture " + event.get("id").asText() + " " + answer.body().length + " bytes");
            else // One that is not "stored" yet is on its way.
                CompletableFuture.delayedExecutor(2, TimeUnit.SECONDS).execute(() -> show(event, tries - 1));
        });
    }

    static void handle(JsonNode event) {
        var news = event.get("id").asText() + " " + event.get("revision").asText();
        if (seen.put(news, true) != null) return; // The same may come twice; another revision is newer news.
        var rings = event.get("person_type").asText().equals("blacklist") && mayAct(event);
        System.out.println((rings ? "ALERT " : "record ") + news + " " + event.at("/identity/name").asText() + " " + event.at("/device/id").asText());
        show(event, 4);
    }

    static void stop(Consumer<?, ?> consumer, Thread main) {
        consumer.wakeup();
        try { main.join(); } catch (InterruptedException e) { Thread.currentThread().interrupt(); }
    }

    public static void main(String[] arguments) throws Exception {
        var main = Thread.currentThread();
        var text = new StringDeserializer();
        var settings = Map.<String, Object>of("bootstrap.servers", arguments[0], "group.id", "java-events", "auto.offset.reset", "earliest");
        try (var consumer = new KafkaConsumer<>(settings, text, text)) {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(consumer, main)));
            consumer.subscribe(Pattern.compile("boxbridge\\.events\\..*"));
            for (var mapper = new ObjectMapper();;) // A device's events have one key, so one partition, and come in order.
                for (var record : consumer.poll(Duration.ofSeconds(1))) handle(mapper.readTree(record.value()));
        } catch (WakeupException stop) { /* close() has left the group, and committed what was handled. */ }
    }
}
