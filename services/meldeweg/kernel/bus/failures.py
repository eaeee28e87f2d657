"""Which of the three outcomes an error of a Kafka client is.

Guarantees: codes are stable; a client's own words go no further (they may quote a key).
"""

from aiokafka import errors as kafka  # noqa: TID251 - bus is the place

from meldeweg.kernel.errors import Refused, Unavailable

# What a call of aiokafka's consumer may raise when the broker is in trouble. A KeyError comes from
# its client, when a connection was replaced while a request on it timed out (after a freeze).
TROUBLE = (kafka.KafkaError, kafka.IllegalStateError, OSError, TimeoutError, KeyError)

_REFUSED: dict[type[BaseException], str] = {
    kafka.MessageSizeTooLargeError: "record-too-large",
    kafka.RecordListTooLargeError: "record-too-large",
    kafka.InvalidMessageError: "record-invalid",
}
_UNAVAILABLE: dict[type[BaseException], str] = {
    kafka.TopicAuthorizationFailedError: "topic-not-authorized",
    kafka.GroupAuthorizationFailedError: "group-not-authorized",
    kafka.ClusterAuthorizationFailedError: "cluster-not-authorized",
    kafka.UnknownTopicOrPartitionError: "topic-unknown",
    kafka.NotEnoughReplicasError: "replicas-missing",
    kafka.NotEnoughReplicasAfterAppendError: "replicas-missing",
    kafka.OutOfOrderSequenceNumber: "producer-stale",
    kafka.KafkaTimeoutError: "broker-timeout",
    kafka.RequestTimedOutError: "broker-timeout",
    kafka.UnsupportedCodecError: "codec-unsupported",
    kafka.CorruptRecordException: "record-corrupt",
    TimeoutError: "broker-timeout",
}


def outcome(exc: BaseException) -> Refused | Unavailable:
    """Return the outcome for `exc`.

    A missing right is Unavailable: a suspended agency's messages wait until it is resumed.
    """
    for kind, code in _REFUSED.items():
        if isinstance(exc, kind):
            return Refused(code)
    for kind, code in _UNAVAILABLE.items():
        if isinstance(exc, kind):
            return Unavailable(code)
    return Unavailable("broker-unreachable")
