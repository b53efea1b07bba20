// Rings for blacklisted people: an alert subscriber over MQTT 5, with Eclipse Paho: go run . mqtt://127.0.0.1:1883
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

type event struct {
	ID, Revision     string
	ActBefore        time.Time `json:"act_before"`
	Identity, Device struct{ ID, Name string }
	Pictures         struct{ Face, Scene struct{ URL string } }
}

var seen, before = map[string]bool{}, map[string]bool{} // id and revision of the last 10,000 events, and of as many before

func handle(message paho.PublishReceived) (bool, error) { // One after the other: events of a device come in order.
	var event event
	err := json.Unmarshal(message.Packet.Payload, &event)
	key, word := event.ID+" "+event.Revision, "record"
	if err != nil || seen[key] || before[key] { // The same may come twice; another revision of it is newer news.
		return true, err
	}
	if seen[key] = true; len(seen) > 10_000 {
		seen, before = map[string]bool{}, seen
	}
	if time.Now().Before(event.ActBefore) { // The one rule: no act_before, or past it: do not open, do not ring.
		word = "ALERT"
	}
	fmt.Println(word, key, event.Identity.Name, event.Device.ID)
	go show(event.ID, cmp.Or(event.Pictures.Face.URL, event.Pictures.Scene.URL), 4)
	return true, nil
}

func show(id, url string, tries int) {
	answer, err := http.Get(url)
	if err == nil && answer.StatusCode == http.StatusOK {
		defer answer.Body.Close()
		image, _ := io.ReadAll(answer.Body)
		fmt.Println("picture", id, len(image), "bytes")
	} else if url != "" && tries > 0 { // One that is not "stored" yet is on its way.
		time.AfterFunc(2*time.Second, func() { show(id, url, tries-1) })
	}
}

func main() {
	stop, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	broker, _ := url.Parse(os.Args[1])
	topics := &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "boxbridge/+/events/blacklist/+", QoS: 1}, {Topic: "boxbridge/+/late/blacklist/+", QoS: 1}}}
	// Under its name the broker keeps for an hour what comes while we are away.
	settings := autopaho.ClientConfig{ServerUrls: []*url.URL{broker}, KeepAlive: 20, SessionExpiryInterval: 3600}
	settings.ClientConfig = paho.ClientConfig{ClientID: "go-alerts", OnPublishReceived: []func(paho.PublishReceived) (bool, error){handle}}
	settings.ReconnectBackoff = autopaho.NewConstantBackoff(time.Second)
	settings.OnConnectionUp = func(up *autopaho.ConnectionManager, _ *paho.Connack) {
		up.Subscribe(stop, topics)
		fmt.Println("listening")
	}
	connection, _ := autopaho.NewConnection(stop, settings) // It comes back by itself when the broker does.
	<-connection.Done()                                     // On SIGTERM it has said goodbye.
}
