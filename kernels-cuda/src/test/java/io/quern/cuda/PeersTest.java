package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.Device;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.backend.Buffer;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ on x86-64 to build a stand-in")
class PeersTest {
  private Device device;
  private Device peer;

  @BeforeEach
  void find() {
    assumeTrue(Device.available().contains("cuda:1"), "there is one GPU only");
    device = Device.of("cuda");
    peer = Device.of("cuda:1");
  }

  @Test
  void tensorsTravelBetweenDevices() {
    Tensor x = Rng.of(1).normal(300, 500);
    Tensor there = x.to(device).mul(2).to(peer);
    assertThat(there.device()).isSameAs(peer);
    Tensor back = there.slice(0, 7, 100).to(device).add(1);
    assertThat(back.toFloatArray()).isEqualTo(x.slice(0, 7, 100).mul(2).add(1).toFloatArray());
    assertThat(Tensor.zeros(0, 3).to(device).to(peer).to(device).shape()).isEqualTo(Shape.of(0, 3));
  }

  @Test
  void theyDoNotMeetInHostMemory() {
    byte[] bytes = {1, 2, 3, 4, 5, 6, 7};
    Buffer from = device.context().allocate(7);
    Buffer to = peer.context().allocate(7);
    device.context().upload(MemorySegment.ofArray(bytes), from, 0);
    assertThat(peer.context().copyFrom(device.context(), from, 2, to, 5)).isTrue();
    byte[] copied = new byte[5];
    peer.context().download(to, 0, MemorySegment.ofArray(copied));
    assertThat(copied).containsExactly(3, 4, 5, 6, 7);
    from.release();
    to.release();
  }
}
