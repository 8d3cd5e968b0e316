#!/usr/bin/env python3
"""Bucket, queue, dead-letter queue and the bucket's notification, in LocalStack. May run again and again.

LocalStack runs it when it is ready; AWS_ENDPOINT_URL, CUSTOMER_S3_BUCKET and SQS_QUEUE say where and what.
"""

import json
import os

import boto3

endpoint = os.environ.get("AWS_ENDPOINT_URL", "http://localhost:4566")
bucket = os.environ.get("CUSTOMER_S3_BUCKET", "customer-bucket")
queue = os.environ.get("SQS_QUEUE", "s3-events")
session = boto3.session.Session(
    aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
)
s3 = session.client("s3", endpoint_url=endpoint)
sqs = session.client("sqs", endpoint_url=endpoint)


def queue_arn(url):
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]


dead_letters = sqs.create_queue(QueueName=queue + "-dead")["QueueUrl"]
events = sqs.create_queue(QueueName=queue)["QueueUrl"]
# Set apart from create_queue, which refuses a queue that is there with other attributes.
sqs.set_queue_attributes(
    QueueUrl=dead_letters, Attributes={"MessageRetentionPeriod": "1209600"}
)
sqs.set_queue_attributes(
    QueueUrl=events,
    Attributes={
        "VisibilityTimeout": "60",
        "RedrivePolicy": json.dumps(
            {"deadLetterTargetArn": queue_arn(dead_letters), "maxReceiveCount": "10"}
        ),
    },
)

if bucket not in [found["Name"] for found in s3.list_buckets()["Buckets"]]:
    s3.create_bucket(Bucket=bucket)
s3.put_bucket_notification_configuration(
    Bucket=bucket,
    NotificationConfiguration={
        "QueueConfigurations": [
            {
                "QueueArn": queue_arn(events),
                "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectAcl:Put"],
            }
        ]
    },
)
print(f"{bucket} notifies {events}")
